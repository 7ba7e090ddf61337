// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samImageFile_h
#define samImageFile_h

#include "itkImageIOBase.h"

#include <string>
#include <vector>

namespace sam
{
/** Reads what the header of an image file says, or of a slice of the DICOM series in a folder. Throws
 * sam::Error naming the file when it is missing, another folder, or no image that can be read; also when a NIfTI or
 * MetaImage file is cut short or damaged, which ITK's readers accept silently, with zeros or noise for what is missing,
 * or when a NIfTI file holds NaN or infinity, which its reader turns into zeros. Of NIfTI, pairs of .hdr and .img are
 * not checked. */
itk::ImageIOBase::Pointer
ReadImageHeader(const std::string & path);

/** The same without a look at the data. */
itk::ImageIOBase::Pointer
PeekImageHeader(const std::string & path);

/** Whether ITK's NIfTI reader refused a file because its axes are not perpendicular. */
bool
IsRefusedForItsAxes(const itk::ExceptionObject & exception);

/** Values per voxel: its components or, of one component, the images along a fourth axis, as which the Medical
 * Segmentation Decathlon stores modalities. */
std::size_t
CountChannels(const itk::ImageIOBase * header);

/** Whether a file of one component has \a channels images along a fourth axis, more than one. */
bool
HoldsChannelSeries(const itk::ImageIOBase * header, std::size_t channels);

/** The files of an image of several channels: where \a path is NAME_0000.ENDING and has one channel, this and
 * NAME_0001.ENDING and so on, as nnU-Net names them, else \a path alone.
 * \throws Error as PeekImageHeader(), or naming the file of a channel that is missing. */
std::vector<std::string>
FindChannelFiles(const std::string & path, std::size_t channels);

/** nnU-Net's "_0000" for the first channel. */
std::string
GetChannelSuffix(std::size_t channel);

/** Where "_0000" is at the end of the name of a file, before its ending; npos where it is not. */
std::size_t
FindFirstChannel(const std::string & name);
} // namespace sam

#endif
