# tests/fuzz/NAME.cpp becomes the libFuzzer program fuzz_NAME. The whole library is compiled with coverage, so that the
# fuzzer sees the branches of the parsers.
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "FATHOM_FUZZ: the compiler is ${CMAKE_CXX_COMPILER_ID}; libFuzzer needs clang: "
                      "use the preset (cmake --preset fuzz)")
endif()
target_compile_options(fathom_objects PRIVATE -fsanitize=fuzzer-no-link)
if(TARGET fathom_cli)
  target_compile_options(fathom_cli PRIVATE -fsanitize=fuzzer-no-link)
endif()
file(GLOB FATHOM_FUZZ_SOURCES CONFIGURE_DEPENDS tests/fuzz/*.cpp)
foreach(source IN LISTS FATHOM_FUZZ_SOURCES)
  get_filename_component(name ${source} NAME_WE)
  add_executable(fuzz_${name} ${source})
  target_include_directories(fuzz_${name} PRIVATE tests)
  target_link_libraries(fuzz_${name} PRIVATE fathom_objects $<$<TARGET_EXISTS:fathom_cli>:fathom_cli> fathom_warnings)
  target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
endforeach()
