# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
# How quickly targets build: where most of it goes into a few large headers, and where optimization does not pay.

# Compile a target of a Release build with another level than CMake's -O3, such as -O0.
function(SegmentAnything_optimize _target _level)
  target_compile_options(${_target} PRIVATE "$<$<AND:$<CXX_COMPILER_ID:GNU,Clang>,$<CONFIG:Release>>:${_level}>")
endfunction()

# What a file that works on tensors mostly takes its time for. Sources still include what they use:
# CMAKE_DISABLE_PRECOMPILE_HEADERS shows it.
set(SegmentAnything_TENSOR_HEADERS "<ATen/TensorOperators.h>" "<ATen/core/Generator.h>")
