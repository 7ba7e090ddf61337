# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
# The macros of ITKModuleMacros.cmake and ITKModuleTest.cmake that this module calls, for an installed ITK that does
# not ship them: src/ and test/ are written once, for ITK's own macros.
include(CMakePackageConfigHelpers)
include(CTest)
include(GenerateExportHeader)
include(GNUInstallDirs)
include(GoogleTest)

if(NOT CMAKE_CXX_STANDARD)
  set(CMAKE_CXX_STANDARD 17)
endif()
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel." FORCE)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  add_compile_options(-Wall -Wextra -Wshadow)
endif()
option(BUILD_SHARED_LIBS "Build a shared library." ON)

# ITK before 6 has no interface target for each module: one for a set of modules.
function(_itk_interface _target)
  if(TARGET ${_target})
    return()
  endif()
  itk_module_config(_ns ${ARGN})
  add_library(${_target} INTERFACE IMPORTED GLOBAL)
  set_target_properties(
    ${_target}
    PROPERTIES
      INTERFACE_INCLUDE_DIRECTORIES "${_ns_INCLUDE_DIRS}"
      INTERFACE_LINK_DIRECTORIES "${_ns_LIBRARY_DIRS}"
      INTERFACE_LINK_LIBRARIES "${_ns_LIBRARIES}"
      INTERFACE_COMPILE_FEATURES cxx_std_17
  )
endfunction()

macro(itk_module _name)
  cmake_parse_arguments(
    _itk_module
    "ENABLE_SHARED;EXCLUDE_FROM_DEFAULT"
    "DESCRIPTION"
    "DEPENDS;PRIVATE_DEPENDS;COMPILE_DEPENDS;TEST_DEPENDS;FACTORY_NAMES"
    ${ARGN}
  )
  set(itk-module ${_name})
  set(itk-module-test ${_name}-Test)
  set(ITK_MODULE_${_name}_PUBLIC_DEPENDS ${_itk_module_DEPENDS})
  set(ITK_MODULE_${_name}_DEPENDS ${_itk_module_DEPENDS} ${_itk_module_PRIVATE_DEPENDS} ${_itk_module_COMPILE_DEPENDS})
  set(ITK_MODULE_${_name}-Test_DEPENDS ${_itk_module_TEST_DEPENDS})
endmacro()

macro(itk_module_add_library _name)
  add_library(${_name} ${ARGN})
  add_library(${_name}::${_name} ALIAS ${_name})
  set_target_properties(
    ${_name}
    PROPERTIES
      CXX_VISIBILITY_PRESET hidden
      VISIBILITY_INLINES_HIDDEN ON
      VERSION ${PROJECT_VERSION}
      SOVERSION ${PROJECT_VERSION_MAJOR}
  )
  set(_export_header "${PROJECT_BINARY_DIR}/include/${_name}Export.h")
  generate_export_header(
    ${_name}
    EXPORT_FILE_NAME "${_export_header}"
    EXPORT_MACRO_NAME ${_name}_EXPORT
    NO_EXPORT_MACRO_NAME ${_name}_HIDDEN
    STATIC_DEFINE ITK_STATIC
  )
  _itk_interface(${_name}::ITK ${ITK_MODULE_${_name}_PUBLIC_DEPENDS})
  target_compile_features(${_name} INTERFACE cxx_std_17)
  target_include_directories(
    ${_name}
    PUBLIC
      "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
      "$<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>"
      "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/${_name}>"
  )
  target_link_libraries(${_name} PUBLIC ${_name}::ITK)

  set(_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/${_name}")
  configure_package_config_file(
    "${PROJECT_SOURCE_DIR}/Modules/CMake/${_name}Config.cmake.in"
    "${PROJECT_BINARY_DIR}/${_name}Config.cmake"
    INSTALL_DESTINATION "${_package_dir}"
    NO_SET_AND_CHECK_MACRO
    NO_CHECK_REQUIRED_COMPONENTS_MACRO
  )
  write_basic_package_version_file("${PROJECT_BINARY_DIR}/${_name}ConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
  install(TARGETS ${_name} EXPORT ${_name}Targets)
  install(EXPORT ${_name}Targets NAMESPACE ${_name}:: DESTINATION "${_package_dir}")
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/${_name}")
  install(FILES "${_export_header}" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/${_name}")
  install(
    FILES "${PROJECT_BINARY_DIR}/${_name}Config.cmake" "${PROJECT_BINARY_DIR}/${_name}ConfigVersion.cmake"
    DESTINATION "${_package_dir}"
  )
endmacro()

macro(itk_module_test)
  include("${PROJECT_SOURCE_DIR}/itk-module.cmake")
  _itk_interface(${itk-module}::TestITK ${ITK_MODULE_${itk-module-test}_DEPENDS})
  set(${itk-module-test}_LIBRARIES ${itk-module} ${itk-module}::TestITK)
endmacro()

function(CreateGoogleTestDriver KIT KIT_LIBS KitTests)
  add_executable(${KIT}GTestDriver ${KitTests})
  target_link_libraries(${KIT}GTestDriver PRIVATE ${KIT_LIBS} GTest::gtest GTest::gtest_main)
  gtest_discover_tests(${KIT}GTestDriver DISCOVERY_TIMEOUT 120 PROPERTIES TIMEOUT 900)
endfunction()

include("${PROJECT_SOURCE_DIR}/itk-module.cmake")
add_subdirectory(src)
if(BUILD_TESTING)
  find_package(GTest QUIET)
  if(GTest_FOUND)
    add_subdirectory(test)
  else()
    message(STATUS "GoogleTest was not found: the tests are not built (Debian: libgtest-dev)")
  endif()
endif()
