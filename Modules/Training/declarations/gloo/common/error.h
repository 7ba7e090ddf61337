// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samGlooError_h
#define samGlooError_h
#endif
