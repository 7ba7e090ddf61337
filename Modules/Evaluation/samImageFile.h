// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samImageFile_h
#define samImageFile_h

#include "itkImageIOBase.h"

#include <string>

namespace sam
{
/** Reads what the header of an image file says, or of a slice of the DICOM series in a folder. Throws
 * sam::Error naming the file when it is missing, another folder, or no image that can be read; also when a NIfTI or
 * MetaImage file is cut short or damaged, which ITK's readers accept silently, with zeros or noise for what is missing,
 * or when a NIfTI file holds NaN or infinity, which its reader turns into zeros. Of NIfTI, pairs of .hdr and .img are
 * not checked. */
itk::ImageIOBase::Pointer
ReadImageHeader(const std::string & path);

/** Values per voxel: its components or, of one component, the images along a fourth axis, as which the Medical
 * Segmentation Decathlon stores modalities. */
std::size_t
CountChannels(const itk::ImageIOBase * header);
} // namespace sam

#endif
