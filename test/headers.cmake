# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
# Every public header compiles alone and twice, without a warning:
#   cmake -DCXX=<compiler> -DSOURCE=<folder> -DBUILD=<folder> -DINCLUDES=<folder>|... -P headers.cmake
string(REPLACE "|" ";" _folders "${INCLUDES}")
list(REMOVE_DUPLICATES _folders)
list(REMOVE_ITEM _folders /usr/include) # where #include_next of the compiler's own headers expects it
list(TRANSFORM _folders PREPEND "-isystem;")
file(GLOB _headers "${SOURCE}/include/*.h")
if(NOT _headers)
  message(FATAL_ERROR "${SOURCE}/include: expected headers")
endif()
foreach(_header IN LISTS _headers)
  file(WRITE "${BUILD}/header.cxx" "#include \"${_header}\"\n#include \"${_header}\"\n")
  execute_process(
    COMMAND
      "${CXX}" -std=c++17 -fsyntax-only -Wall -Wextra -Wshadow "-I${SOURCE}/include" ${_folders} "${BUILD}/header.cxx"
    RESULT_VARIABLE _result
    ERROR_VARIABLE _errors
  )
  if(NOT _result EQUAL 0 OR _errors)
    message(FATAL_ERROR "${_header} does not compile alone:\n${_errors}")
  endif()
endforeach()
