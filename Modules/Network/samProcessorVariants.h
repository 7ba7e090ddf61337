// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samProcessorVariants_h
#define samProcessorVariants_h

// A function that is marked SAM_PROCESSOR_VARIANTS is compiled for several instruction sets, and the fitting one is
// chosen when the library is loaded; SAM_INLINE marks what it is made of.
#if defined(__GNUC__) && defined(__x86_64__) && defined(__linux__)
#  define SAM_PROCESSOR_VARIANTS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#  define SAM_INLINE inline __attribute__((always_inline))
#else
#  define SAM_PROCESSOR_VARIANTS
#  define SAM_INLINE inline
#endif

#endif
