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
