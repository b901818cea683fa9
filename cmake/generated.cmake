# The two generated sources: version header and embedded device sources. Both follow their inputs on every build.
set(FATHOM_GENERATED ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${FATHOM_GENERATED})

add_custom_target(
  fathom_version
  COMMAND ${CMAKE_COMMAND} -DVERSION=${PROJECT_VERSION} -DSOURCE_DIR=${PROJECT_SOURCE_DIR}
          -DOUTPUT=${FATHOM_GENERATED}/fathom_version.hpp -P ${PROJECT_SOURCE_DIR}/cmake/write_version.cmake
  BYPRODUCTS ${FATHOM_GENERATED}/fathom_version.hpp
  COMMENT "Reading the commit")

# The list of names is a dependency of its own: a file that is removed or renamed must change the output too.
file(GLOB_RECURSE FATHOM_DEVICE_FILES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/device/*.hpp
     ${PROJECT_SOURCE_DIR}/device/*.cuh)
list(SORT FATHOM_DEVICE_FILES)
list(JOIN FATHOM_DEVICE_FILES "\n" FATHOM_DEVICE_LIST)
file(CONFIGURE OUTPUT ${FATHOM_GENERATED}/device_sources.txt CONTENT "${FATHOM_DEVICE_LIST}\n" @ONLY)
add_custom_command(
  OUTPUT ${FATHOM_GENERATED}/device_sources.cpp
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${PROJECT_SOURCE_DIR}/device -DFUNCTION=device_sources
          -DOUTPUT=${FATHOM_GENERATED}/device_sources.cpp -P ${PROJECT_SOURCE_DIR}/cmake/embed_device_sources.cmake
  DEPENDS ${FATHOM_DEVICE_FILES} ${FATHOM_GENERATED}/device_sources.txt
          ${PROJECT_SOURCE_DIR}/cmake/embed_device_sources.cmake
  COMMENT "Embedding device/")
