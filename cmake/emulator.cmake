# The emulator: device/ on this machine's cores. A target that compiles kernels for it takes fathom_emulated_kernels, whose
# include path finds emulator/ptx/ before device/ptx/.
find_package(Boost QUIET COMPONENTS context)
if(NOT Boost_FOUND)
  message(STATUS "No emulator: Boost.Context is not installed (libboost-context-dev)")
  return()
endif()

file(GLOB FATHOM_EMULATOR_SOURCES CONFIGURE_DEPENDS emulator/*.cpp)
add_library(fathom_emulator STATIC ${FATHOM_EMULATOR_SOURCES})
target_include_directories(fathom_emulator PUBLIC ${PROJECT_SOURCE_DIR} PRIVATE emulator device src include)
target_link_libraries(fathom_emulator PUBLIC Threads::Threads PRIVATE Boost::context fmt::fmt-header-only fathom_warnings)
target_compile_options(fathom_emulator PRIVATE $<$<CONFIG:Release>:-O2>)

add_library(fathom_emulated_kernels INTERFACE)
target_include_directories(fathom_emulated_kernels BEFORE INTERFACE emulator device)
target_link_libraries(fathom_emulated_kernels INTERFACE fathom_emulator)
# Kernels are written for nvcc: its loop hints mean nothing here.
target_compile_options(fathom_emulated_kernels INTERFACE -Wno-unknown-pragmas $<$<CONFIG:Release>:-O2>)
if(FATHOM_COVERAGE)
  target_compile_options(fathom_emulated_kernels INTERFACE --coverage -fprofile-update=atomic -O0)
  target_link_options(fathom_emulated_kernels INTERFACE --coverage)
endif()
# nvcc makes one rounding of s + f * p. Where this machine can do the same, an emulated kernel gives the H200's very bits.
include(CheckCXXSourceRuns)
check_cxx_source_runs("int main() { return __builtin_cpu_supports(\"fma\") ? 0 : 1; }" FATHOM_HAS_FMA)
if(FATHOM_HAS_FMA)
  target_compile_options(fathom_emulated_kernels INTERFACE -mfma -ffp-contract=fast)
endif()

# libcuda_emulator.so: a driver that runs the kernels of emulator/kernels/configs.txt (docs/emulator.md). A kernel is compiled
# from the very text that the run-time compiler gets; the program that writes it needs three files of the library, not all of
# it, so that the kernels can be compiled early.
add_executable(emulated_kernel emulator/kernels/generate.cpp src/plan/gemm_configs.cpp src/plan/gemm_source.cpp
                               src/plan/quantize_configs.cpp)
target_include_directories(emulated_kernel PRIVATE include src device)
target_link_libraries(emulated_kernel PRIVATE fathom_warnings)

set(configs ${PROJECT_SOURCE_DIR}/emulator/kernels/configs.txt)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${configs})
file(STRINGS ${configs} tags REGEX "^[^#]")
set(sources "")
file(MAKE_DIRECTORY ${FATHOM_GENERATED}/emulated)
foreach(tag IN LISTS tags)
  set(source ${FATHOM_GENERATED}/emulated/${tag}.cpp)
  add_custom_command(
    OUTPUT ${source}
    COMMAND emulated_kernel ${tag} ${source}
    DEPENDS emulated_kernel
    COMMENT "Writing the emulated kernel ${tag}"
    VERBATIM)
  list(APPEND sources ${source})
endforeach()

# fathom_emulated_driver(NAME SOURCE...): NAME.so, a driver with the kernels of these sources.
file(GLOB FATHOM_DRIVER_SOURCES CONFIGURE_DEPENDS emulator/driver/*.cpp)
add_library(fathom_emulator_driver OBJECT ${FATHOM_DRIVER_SOURCES})
target_include_directories(fathom_emulator_driver PRIVATE ${PROJECT_SOURCE_DIR} src include)
target_link_libraries(fathom_emulator_driver PRIVATE fmt::fmt-header-only fathom_warnings)
function(fathom_emulated_driver name)
  add_library(${name} MODULE $<TARGET_OBJECTS:fathom_emulator_driver> ${ARGN})
  set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  target_link_libraries(${name} PRIVATE fathom_emulated_kernels ${CMAKE_DL_LIBS})
  # Parameters of 64-byte alignment go by value: what GCC 4.6 changed there is the same on both sides.
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wno-psabi)
endfunction()

fathom_emulated_driver(libcuda_emulator ${sources})
install(TARGETS libcuda_emulator LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/fathom OPTIONAL)
