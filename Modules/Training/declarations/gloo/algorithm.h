// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samGlooAlgorithm_h
#define samGlooAlgorithm_h
#endif
