# The library of the Python package: one file, with the C++ runtime inside, so that it loads wherever glibc is new enough.
# Installed by its own component alone (pyproject.toml). FATHOM_PREBUILT names a library that was built before: then
# nothing is compiled and no package is looked for (tools/wheel).
set(FATHOM_PREBUILT "" CACHE FILEPATH "A libfathom.so of the target fathom_python to package instead of building one")

# The header-only libraries inside it ask for their notices, which Debian's packages hold.
foreach(package libfmt-dev libxxhash-dev nlohmann-json3-dev)
  install(FILES /usr/share/doc/${package}/copyright DESTINATION fathom/licenses RENAME ${package}.txt COMPONENT python
          EXCLUDE_FROM_ALL OPTIONAL)
endforeach()

if(FATHOM_PREBUILT)
  add_custom_target(fathom_python)  # what pyproject.toml asks to be built
  install(FILES ${FATHOM_PREBUILT} DESTINATION fathom COMPONENT python)
  return()
endif()

add_library(fathom_python SHARED EXCLUDE_FROM_ALL $<TARGET_OBJECTS:fathom_objects>)
set_target_properties(fathom_python PROPERTIES OUTPUT_NAME fathom LINKER_LANGUAGE CXX
                                               LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/python
                                               LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/exported_symbols.map)
target_link_libraries(fathom_python PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
target_link_options(fathom_python PRIVATE -static-libstdc++ -static-libgcc -Wl,--strip-all -Wl,--gc-sections
                    -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/exported_symbols.map)
install(TARGETS fathom_python LIBRARY DESTINATION fathom COMPONENT python EXCLUDE_FROM_ALL)
