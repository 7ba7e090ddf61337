# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
# ITK's modules for targets of our own, the same for the three ways to build.

# Link a target with ITK modules.
function(SegmentAnything_link_itk _target)
  itk_module_config(_ns ${ARGN})
  target_include_directories(${_target} SYSTEM PUBLIC ${_ns_INCLUDE_DIRS})
  target_link_directories(${_target} PUBLIC ${_ns_LIBRARY_DIRS})
  target_link_libraries(${_target} PUBLIC ${_ns_LIBRARIES})
endfunction()

# Register the image formats in programs of the calling folder; sets ITK_LIBRARIES there. The library itself and the
# unit tests do without them.
macro(SegmentAnything_use_image_formats)
  if(ITK_SOURCE_DIR)
    set(ITK_DIR "${ITK_BINARY_DIR}/CMakeTmp")
  endif()
  set(CMAKE_MESSAGE_LOG_LEVEL NOTICE)
  find_package(
    ITK REQUIRED
    COMPONENTS
      ITKIOImageBase
      ITKIOGDCM
      ITKIOJPEG
      ITKIOMeta
      ITKIONIFTI
      ITKIONRRD
      ITKIOPNG
      ITKIOTIFF
  )
  unset(CMAKE_MESSAGE_LOG_LEVEL)
  include("${ITK_USE_FILE}")
endmacro()
