# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
# Doxygen has nothing to complain about: cmake -DDOXYGEN=<program> -DDOXYFILE=<file> -P documentation.cmake
if(NOT DOXYGEN)
  message("Doxygen was not found (Debian: doxygen)")
  return()
endif()
execute_process(COMMAND "${DOXYGEN}" "${DOXYFILE}" RESULT_VARIABLE _result ERROR_VARIABLE _errors OUTPUT_QUIET)
if(NOT _result EQUAL 0 OR _errors)
  message(FATAL_ERROR "${_errors}")
endif()
