// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samBody_h
#define samBody_h

#include "samRegion.h"

#include "itkImage.h"

namespace sam
{
/** The box around what is not air: voxels of some millimeters that are brighter than
 * Otsu's threshold (IEEE Trans. SMC 9(1), 1979), without parts of less than 1000 mm³ (mm² of a 2-D image), and 10 mm on
 * each side as far as the image reaches, in tenths of a mm. In oblique images it is the box along the patient's axes
 * around the box of the voxels. An image with nothing but parts so small, or of one value, is body as a whole. */
template <unsigned int VDimension>
Region
FindBody(const itk::Image<float, VDimension> * image);
} // namespace sam

#endif
