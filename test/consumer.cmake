# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
# Installs the build, moves the installation elsewhere, and builds and runs examples/consumer against it:
#   cmake -DSOURCE=<folder> -DBUILD=<folder> -DGENERATOR=<name> -DCXX=<compiler> -DITK_DIR=<folder> -P consumer.cmake
# Found again there: all headers, the version, LibTorch behind the programs; and labels equal to those of sam-segment.
cmake_minimum_required(VERSION 3.22.1)

function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE _result OUTPUT_VARIABLE _output ERROR_VARIABLE _output)
  if(NOT _result EQUAL 0)
    message(FATAL_ERROR "'${ARGV}' ended with ${_result}:\n${_output}")
  endif()
  set(output "${_output}" PARENT_SCOPE)
endfunction()

function(expect_no_mention _file)
  file(READ "${_file}" _text)
  foreach(_folder "${SOURCE}" "${BUILD}")
    string(FIND "${_text}" "${_folder}/" _place)
    if(NOT _place EQUAL -1)
      message(FATAL_ERROR "${_file} names '${_folder}', expected nothing of the machine that built it")
    endif()
  endforeach()
endfunction()

set(_folder "${BUILD}/install-test")
set(_prefix "${_folder}/moved")
set(ENV{OMP_NUM_THREADS} 1)
file(REMOVE_RECURSE "${_folder}")
run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${_folder}/first")
file(RENAME "${_folder}/first" "${_prefix}")

file(GLOB_RECURSE _configuration "${_prefix}/*.cmake")
file(GLOB _headers "${_prefix}/include/SegmentAnything/*")
if(NOT _configuration OR NOT _headers)
  message(FATAL_ERROR "${_prefix}: expected the package's configuration and headers")
endif()
foreach(_file IN LISTS _configuration _headers)
  expect_no_mention("${_file}")
endforeach()

run(
  "${CMAKE_COMMAND}" -S "${SOURCE}/examples/consumer" -B "${_folder}/build" -G "${GENERATOR}"
  "-DCMAKE_CXX_COMPILER=${CXX}" "-DCMAKE_PREFIX_PATH=${_prefix}" "-DITK_DIR=${ITK_DIR}" -DCMAKE_BUILD_TYPE=Debug
)
file(STRINGS "${_folder}/build/CMakeCache.txt" _found REGEX "^SegmentAnything_DIR:.*=${_prefix}/")
if(NOT _found)
  message(FATAL_ERROR "find_package(SegmentAnything) did not find '${_prefix}'")
endif()
run("${CMAKE_COMMAND}" --build "${_folder}/build")

# An ellipsoid, brighter towards one end: numbers as text, so that nothing else is needed to write it.
set(_numbers "")
foreach(_z RANGE 11)
  foreach(_y RANGE 27)
    foreach(_x RANGE 23)
      math(EXPR _distance "(${_x} - 11) * (${_x} - 11) * 9 + (${_y} - 14) * (${_y} - 14) * 2 + (${_z} - 6) * (${_z} - 6) * 9")
      math(EXPR _noise "(${_x} * 7 + ${_y} * 13 + ${_z} * 29) % 11")
      if(_distance LESS 250)
        math(EXPR _value "300 + ${_y} * 5 + ${_noise}")
      else()
        math(EXPR _value "100 + ${_noise} * 3")
      endif()
      string(APPEND _numbers "${_value} ")
    endforeach()
  endforeach()
endforeach()
file(
  WRITE "${_folder}/image.mha"
  "ObjectType = Image\nNDims = 3\nBinaryData = False\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = -11 3 7\n"
  "ElementSpacing = 1 1 1\nDimSize = 24 28 12\nElementType = MET_SHORT\nElementDataFile = LOCAL\n${_numbers}\n"
)

set(_model "${SOURCE}/examples/models/hippocampus.safetensors")
run("${_folder}/build/SmoothAndSegment" "${_model}" "${_folder}/image.mha" "${_folder}/smoothed.mha" "${_folder}/labels.mha")
if(EXISTS "${_prefix}/bin/sam-segment")
  file(GLOB _programs "${_prefix}/bin/*")
  foreach(_program IN LISTS _programs)
    run("${_program}" --version)
  endforeach()
  run(
    "${_prefix}/bin/sam-segment" --model "${_model}" --device cpu --threads 1 "${_folder}/smoothed.mha"
    "${_folder}/expected.mha"
  )
  # The programs note the labels' names in the header; behind it both are the same voxels, compressed alike.
  foreach(_kind expected labels)
    file(READ "${_folder}/${_kind}.mha" _text HEX)
    string(REGEX REPLACE "^.*4c4f43414c0a" "" _${_kind} "${_text}") # LOCAL and the end of the line
  endforeach()
  if(NOT _labels STREQUAL _expected)
    message(FATAL_ERROR "${_folder}/labels.mha has other labels than sam-segment's expected.mha")
  endif()
  run(
    "${_prefix}/bin/sam-evaluate" --prediction "${_folder}/labels.mha" --reference "${_folder}/expected.mha"
    --labels 1,2
  )
  if(NOT output MATCHES "anterior +1 +0 +0 +1\\.0000" OR NOT output MATCHES "posterior +1 +0 +0 +1\\.0000")
    message(FATAL_ERROR "${_folder}/labels.mha: expected voxels of the labels 1 and 2, found\n${output}")
  endif()
endif()
