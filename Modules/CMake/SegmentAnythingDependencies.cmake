# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
# Finds Eigen, LibTorch and nlohmann-json and makes the target SegmentAnything::Torch out of LibTorch's own files: its
# TorchConfig.cmake would change the caller's flags, add MKL's folders to the run path and, for a CUDA wheel, ask for
# the whole CUDA toolkit. Usable in projects without ITK; safe to include more than once.
include_guard(GLOBAL)

set(SegmentAnything_TORCH_MINIMUM 2.13)

# The root of LibTorch (the folder of include/ and lib/) from a folder that CMake users pass: Torch_DIR or a prefix.
function(_SegmentAnything_torch_root _folder _result)
  foreach(_up "" "/.." "/../.." "/../../..") # Torch_DIR is <root>/share/cmake/Torch
    if(EXISTS "${_folder}${_up}/include/torch/csrc/api/include/torch/version.h")
      get_filename_component(_root "${_folder}${_up}" ABSOLUTE)
      set(${_result} "${_root}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  set(${_result} "" PARENT_SCOPE)
endfunction()

function(_SegmentAnything_find_torch)
  set(_root "")
  set(_told "${Torch_DIR}")
  if(NOT _told)
    set(_told "$ENV{Torch_DIR}")
  endif()
  if(_told)
    _SegmentAnything_torch_root("${_told}" _root)
    if(NOT _root)
      message(FATAL_ERROR "Torch_DIR: no LibTorch around '${_told}'; expected the folder share/cmake/Torch of a LibTorch or of a torch wheel.")
    endif()
  endif()
  if(NOT _root)
    set(_prefixes ${CMAKE_PREFIX_PATH})
    string(REPLACE ":" ";" _environment "$ENV{CMAKE_PREFIX_PATH}")
    foreach(_prefix IN LISTS _prefixes _environment)
      _SegmentAnything_torch_root("${_prefix}" _root)
      if(_root)
        break()
      endif()
    endforeach()
  endif()
  if(NOT _root)
    # find_spec does not import torch
    find_program(SegmentAnything_PYTHON NAMES python3 python DOC "The Python whose torch wheel is used where Torch_DIR is not given.")
    mark_as_advanced(SegmentAnything_PYTHON)
    if(SegmentAnything_PYTHON)
      execute_process(
        COMMAND "${SegmentAnything_PYTHON}" -c
                "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
        OUTPUT_VARIABLE _wheel
        OUTPUT_STRIP_TRAILING_WHITESPACE
        ERROR_QUIET
      )
      if(_wheel)
        _SegmentAnything_torch_root("${_wheel}" _root)
      endif()
    endif()
  endif()
  if(NOT _root)
    message(FATAL_ERROR "LibTorch ${SegmentAnything_TORCH_MINIMUM} or newer was not found: run 'python3 -m pip install torch' in the Python on PATH, or pass -DTorch_DIR=<LibTorch>/share/cmake/Torch.")
  endif()

  set(_version "unknown")
  set(_header "${_root}/include/torch/headeronly/version.h")
  if(NOT EXISTS "${_header}")
    set(_header "${_root}/include/torch/csrc/api/include/torch/version.h")
  endif()
  file(STRINGS "${_header}" _lines REGEX "^#define TORCH_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
  if(_lines MATCHES "MAJOR +([0-9]+).*MINOR +([0-9]+).*PATCH +([0-9]+)")
    set(_version "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}.${CMAKE_MATCH_3}")
  endif()
  if(_version STREQUAL "unknown" OR _version VERSION_LESS SegmentAnything_TORCH_MINIMUM)
    message(FATAL_ERROR "LibTorch in '${_root}' is version ${_version}; expected ${SegmentAnything_TORCH_MINIMUM} or newer.")
  endif()

  set(_libraries "")
  foreach(_name torch torch_cpu c10 torch_cuda c10_cuda)
    # The cache would keep the files of another LibTorch.
    find_library(_library_${_name} NAMES ${_name} PATHS "${_root}/lib" NO_DEFAULT_PATH NO_CACHE)
    if(_library_${_name})
      list(APPEND _libraries "${_library_${_name}}")
    elseif(NOT _name MATCHES "cuda")
      message(FATAL_ERROR "LibTorch in '${_root}' has no library '${_name}' in lib/; expected torch, torch_cpu and c10.")
    endif()
  endforeach()
  set(_kind "CPU")
  if(_library_torch_cuda)
    set(_kind "CUDA")
  endif()
  message(STATUS "LibTorch ${_version} (${_kind}): ${_root}")

  set(SegmentAnything_TORCH_ROOT "${_root}" PARENT_SCOPE)
  set(SegmentAnything_TORCH_VERSION "${_version}" PARENT_SCOPE)
  set(SegmentAnything_TORCH_LIBRARIES "${_libraries}" PARENT_SCOPE)
  set(SegmentAnything_TORCH_INCLUDE_DIRS "${_root}/include" "${_root}/include/torch/csrc/api/include" PARENT_SCOPE)
endfunction()

_SegmentAnything_find_torch()

set(SegmentAnything_TORCH_LINK_OPTIONS "")
if(UNIX AND NOT APPLE)
  # Nothing calls torch_cuda directly: as-needed would drop it and with it the device.
  set(SegmentAnything_TORCH_LINK_OPTIONS "LINKER:--no-as-needed")
endif()
add_library(SegmentAnything::Torch INTERFACE IMPORTED GLOBAL)
set_target_properties(
  SegmentAnything::Torch
  PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${SegmentAnything_TORCH_INCLUDE_DIRS}"
    INTERFACE_LINK_LIBRARIES "${SegmentAnything_TORCH_LIBRARIES}"
    INTERFACE_LINK_OPTIONS "${SegmentAnything_TORCH_LINK_OPTIONS}"
    INTERFACE_COMPILE_FEATURES cxx_std_20
)

find_package(nlohmann_json 3.9 QUIET)
if(NOT TARGET nlohmann_json::nlohmann_json)
  message(FATAL_ERROR "nlohmann-json 3.9 or newer was not found: install it (Debian: nlohmann-json3-dev) or pass -Dnlohmann_json_DIR.")
endif()
get_target_property(SegmentAnything_JSON_INCLUDE_DIRS nlohmann_json::nlohmann_json INTERFACE_INCLUDE_DIRECTORIES)

find_package(Eigen3 3.3 QUIET NO_MODULE)
if(NOT TARGET Eigen3::Eigen)
  message(FATAL_ERROR "Eigen 3.3 or newer was not found: install it (Debian: libeigen3-dev) or pass -DEigen3_DIR.")
endif()
get_target_property(SegmentAnything_EIGEN_INCLUDE_DIRS Eigen3::Eigen INTERFACE_INCLUDE_DIRECTORIES)
