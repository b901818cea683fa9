# Test programs. tools/run_tests.py runs them by tests/suites.toml; nothing here needs a GPU.
enable_testing()
find_package(GTest QUIET)
if(NOT GTest_FOUND)
  message(STATUS "No tests: GoogleTest is not installed (libgtest-dev, libgmock-dev)")
  return()
endif()
include(GoogleTest)

# tests/modules/NAME/*.cpp becomes NAME.so, for tests that load a library at run time (a stand-in driver, say).
set(FATHOM_TEST_MODULES "")
file(GLOB module_dirs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/modules/*)
foreach(dir IN LISTS module_dirs)
  get_filename_component(name ${dir} NAME)
  file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.cpp)
  add_library(${name} MODULE ${sources})
  set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/modules)
  target_include_directories(${name} PRIVATE include src device tests)
  target_link_libraries(${name} PRIVATE fathom_warnings Threads::Threads ${CMAKE_DL_LIBS})
  list(APPEND FATHOM_TEST_MODULES ${name})
endforeach()

# The emulated driver without its launch: what the tests of everything that calls the driver look at.
file(GLOB recording_sources CONFIGURE_DEPENDS emulator/driver/*.cpp)
list(FILTER recording_sources EXCLUDE REGEX "emulated_launch.cpp$")
add_library(libcuda_recording MODULE ${recording_sources})
set_target_properties(libcuda_recording PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/modules)
target_include_directories(libcuda_recording PRIVATE ${PROJECT_SOURCE_DIR} include src)
target_link_libraries(libcuda_recording PRIVATE fmt::fmt-header-only fathom_warnings Threads::Threads ${CMAKE_DL_LIBS})
list(APPEND FATHOM_TEST_MODULES libcuda_recording)

file(GLOB FATHOM_UNIT_TESTS CONFIGURE_DEPENDS tests/unit/*.cpp tests/support/*.cpp)
if(FATHOM_UNIT_TESTS)
  add_executable(unit_tests ${FATHOM_UNIT_TESTS})
  target_include_directories(unit_tests PRIVATE tests ${PROJECT_SOURCE_DIR})
  target_compile_options(unit_tests PRIVATE $<$<CONFIG:Release>:-O1>)  # a third less time to build
  target_compile_definitions(unit_tests PRIVATE FATHOM_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                                FATHOM_BINARY_DIR="${CMAKE_BINARY_DIR}"
                                                FATHOM_TEST_MODULE_DIR="${CMAKE_BINARY_DIR}/modules")
  target_link_libraries(unit_tests PRIVATE fathom_objects $<$<TARGET_EXISTS:fathom_cli>:fathom_cli> GTest::gtest
                                           GTest::gmock GTest::gtest_main fathom_warnings)
  if(FATHOM_TEST_MODULES)
    add_dependencies(unit_tests ${FATHOM_TEST_MODULES})
  endif()
  add_dependencies(unit_tests example_cpp example_c)
  if(TARGET fathom_command)
    add_dependencies(unit_tests fathom_command)
  endif()
  gtest_discover_tests(unit_tests DISCOVERY_MODE PRE_TEST)
endif()

# Refits the planner's cost model to measured kernels; built on request: ninja fit_gemm_cost
add_executable(fit_gemm_cost EXCLUDE_FROM_ALL tests/fit/gemm_cost.cpp tests/support/gemm_timings.cpp)
target_include_directories(fit_gemm_cost PRIVATE tests)
target_link_libraries(fit_gemm_cost PRIVATE fathom_objects fathom_warnings)

# The kernels of tests/ptx_cases as text, for the run-time compiler.
file(GLOB FATHOM_PTX_CASES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/ptx_cases/kernels/*)
add_custom_command(
  OUTPUT ${FATHOM_GENERATED}/ptx_case_sources.cpp
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${PROJECT_SOURCE_DIR}/tests/ptx_cases/kernels -DFUNCTION=ptx_case_sources
          -DOUTPUT=${FATHOM_GENERATED}/ptx_case_sources.cpp -P ${PROJECT_SOURCE_DIR}/cmake/embed_device_sources.cmake
  DEPENDS ${FATHOM_PTX_CASES} ${PROJECT_SOURCE_DIR}/cmake/embed_device_sources.cmake
  COMMENT "Embedding tests/ptx_cases/kernels")

# Tests that need a Hopper GPU. Built with the rest so that they cannot rot; tools/device_check.sh runs them where there is
# one. Whatever is not in every base system is linked in, so that the file runs on another machine than its builder.
file(GLOB FATHOM_DEVICE_TESTS CONFIGURE_DEPENDS tests/device/*.cpp tests/ptx_cases/*.cpp)
add_executable(device_tests ${FATHOM_DEVICE_TESTS} ${FATHOM_GENERATED}/ptx_case_sources.cpp)
target_include_directories(device_tests PRIVATE tests)
target_link_libraries(device_tests PRIVATE fathom_objects GTest::gtest fathom_warnings)
target_link_options(device_tests PRIVATE -static-libstdc++ -static-libgcc)

# Needs NVRTC from the wheels of .venv, not a GPU.
file(GLOB FATHOM_COMPILE_TESTS CONFIGURE_DEPENDS tests/compile/*.cpp)
add_executable(compile_tests ${FATHOM_COMPILE_TESTS})
target_include_directories(compile_tests PRIVATE tests)
target_compile_definitions(compile_tests PRIVATE FATHOM_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                                 FATHOM_BINARY_DIR="${CMAKE_BINARY_DIR}")
target_link_libraries(compile_tests PRIVATE fathom_objects GTest::gtest GTest::gmock GTest::gtest_main fathom_warnings)
add_dependencies(compile_tests fathom_command)

# Kernels of device/ run on this machine's cores, under random schedules: linked in, through libcuda_emulator.so, and those of
# tests/ptx_cases in a driver of their own.
if(TARGET fathom_emulator)
  fathom_emulated_driver(libcuda_ptx_cases tests/ptx_cases/emulated/ptx_kernels.cpp)
  target_include_directories(libcuda_ptx_cases PRIVATE tests)
  file(GLOB FATHOM_EMULATED_TESTS CONFIGURE_DEPENDS tests/emulated/*.cpp tests/ptx_cases/*.cpp)
  add_executable(emulated_tests ${FATHOM_EMULATED_TESTS} ${FATHOM_GENERATED}/ptx_case_sources.cpp)
  target_include_directories(emulated_tests PRIVATE tests)
  target_compile_definitions(emulated_tests PRIVATE FATHOM_BINARY_DIR="${CMAKE_BINARY_DIR}")
  target_link_libraries(emulated_tests PRIVATE fathom_emulated_kernels fathom_cli GTest::gtest GTest::gmock
                                               fathom_warnings)
  add_dependencies(emulated_tests libcuda_emulator libcuda_ptx_cases fathom_command)
endif()
