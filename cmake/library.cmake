# libfathom, shared and static from the same objects, and its installation as a CMake and a pkg-config package.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

file(GLOB FATHOM_SOURCES CONFIGURE_DEPENDS src/*/*.cpp)
add_library(fathom_objects OBJECT ${FATHOM_SOURCES} ${FATHOM_GENERATED}/device_sources.cpp)
add_dependencies(fathom_objects fathom_version)
target_include_directories(fathom_objects PUBLIC include src device PRIVATE ${FATHOM_GENERATED})
target_link_libraries(fathom_objects PUBLIC fmt::fmt-header-only nlohmann_json::nlohmann_json Threads::Threads
                                            ${CMAKE_DL_LIBS} PRIVATE fathom_warnings)

# A user of either library needs no fmt and no nlohmann-json: they are header-only and private.
add_library(fathom_shared SHARED $<TARGET_OBJECTS:fathom_objects>)
add_library(fathom_static STATIC $<TARGET_OBJECTS:fathom_objects>)
foreach(kind shared static)
  set_target_properties(fathom_${kind} PROPERTIES OUTPUT_NAME fathom EXPORT_NAME ${kind} LINKER_LANGUAGE CXX)
  target_include_directories(fathom_${kind} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                                      $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(fathom_${kind} INTERFACE cxx_std_20)
endforeach()
target_link_libraries(fathom_shared PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
# stdc++ by name: a project in C alone links the static library with the C compiler.
target_link_libraries(fathom_static INTERFACE Threads::Threads ${CMAKE_DL_LIBS} stdc++)
# Before 1.0 a minor version may break the ABI, so it is part of the name that programs are linked with.
set_target_properties(fathom_shared PROPERTIES VERSION ${PROJECT_VERSION}
                                               SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
target_link_options(fathom_shared PRIVATE -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/exported_symbols.map)
set_target_properties(fathom_shared PROPERTIES LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/exported_symbols.map)

set(FATHOM_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/fathom)
install(TARGETS fathom_shared fathom_static EXPORT fathomTargets)
install(EXPORT fathomTargets NAMESPACE fathom:: DESTINATION ${FATHOM_CMAKE_DIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/fathom DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
configure_package_config_file(cmake/fathomConfig.cmake.in ${FATHOM_GENERATED}/fathomConfig.cmake
                              INSTALL_DESTINATION ${FATHOM_CMAKE_DIR})
write_basic_package_version_file(${FATHOM_GENERATED}/fathomConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${FATHOM_GENERATED}/fathomConfig.cmake ${FATHOM_GENERATED}/fathomConfigVersion.cmake
        DESTINATION ${FATHOM_CMAKE_DIR})
configure_file(cmake/fathom.pc.in ${FATHOM_GENERATED}/fathom.pc @ONLY)
install(FILES ${FATHOM_GENERATED}/fathom.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
