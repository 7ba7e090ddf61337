// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samSteps_h
#define samSteps_h

#include "samCommandLine.h"
#include "samDescribedLabels.h"
#include "samError.h"
#include "samMessage.h"
#include "samNiftiLabels.h"
#include "samProvenance.h"

#include "itkCommand.h"
#include "itkImageBase.h"
#include "itkImageFileWriter.h"
#include "itkImageRegionConstIteratorWithIndex.h"
#include "itkJoinSeriesImageFilter.h"
#include "itkMetaDataDictionary.h"
#include "itkMetaDataObject.h"
#include "itkProcessObject.h"

#include <algorithm>
#include <array>
#include <exception>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

/** Steps that the programs are made of. */
namespace sam
{
/** Run a step; what ITK throws becomes one line that names the file. */
template <typename TAction>
void
Naming(const std::string & file, const TAction & action)
{
  try
  {
    action();
  }
  catch (const itk::ProcessAborted &)
  {
    throw;
  }
  catch (const itk::ExceptionObject & exception)
  {
    const std::string text = ToOneLine(exception.GetDescription());
    throw Error(text.find(file) == std::string::npos ? file + ": " + text : text);
  }
}

/** Update a filter on an image file. \a progress is called with the fraction done and may throw to stop. A \a last
 * process behind it, when given, is updated instead, and requests the filter's output in \a pieces. */
void
UpdateFilter(itk::ProcessObject *                filter,
             const std::string &                 file,
             const std::function<void(double)> & progress,
             itk::ProcessObject *                last = nullptr,
             unsigned int                        pieces = 1);

/** The name of ITK's class that writes images of this name, such as NiftiImageIO; empty where none does. */
std::string
GetFormatToWrite(const std::string & path);

/** \throws Error when two outputs are one file, or one is an input or an image in a folder that is an input: it would
 * be replaced. Empty names are none. */
void
CheckDistinct(const std::vector<std::string> & inputs, const std::vector<std::string> & outputs);

/** To be asked before the work: \throws Error as CheckDistinct(), or when images or other files cannot be written
 * there; also where JPEG would change the values of an image. Empty names are none. */
void
CheckOutputs(const std::vector<std::string> & inputs,
             const std::vector<std::string> & images,
             const std::vector<std::string> & others);

/** To be asked before the work, of the grid of the images to write: \throws Error when a format would keep one slice of
 * a volume, or when it is NIfTI, which stores a rotation, and the axes are not perpendicular: what is written would lie
 * elsewhere. */
template <unsigned int VDimension>
void
CheckGrid(const std::vector<std::string> & images, const itk::ImageBase<VDimension> * grid);

/** Make a folder for several files, unless it is there. \throws Error naming it. */
void
MakeFolder(const std::string & folder);

/** \throws itk::ExceptionObject when the file cannot be written. */
template <typename TImage>
void
WriteImage(const TImage * image, const std::string & path, bool isCompressed)
{
  const auto writer = itk::ImageFileWriter<TImage>::New();
  writer->SetInput(image);
  writer->SetFileName(path);
  writer->SetUseCompression(isCompressed);
  writer->Update();
}

/** \throws Error when the file cannot be written. */
void
WriteText(const std::string & text, const std::string & path);

/** A file to write, and what writes it under another name. */
using FileToWrite = std::pair<std::string, std::function<void(const std::string & temporary)>>;

/** Write files as WriteAtomically() does: all of them, or none. Those without a name are left out. */
void
WriteAllAtomically(const std::vector<FileToWrite> & files);

/** DescribeLabels() of a label map, with all that 3D Slicer writes into a segmentation (.seg.nrrd), such as the
 * box of voxels of each label. */
template <typename TLabelImage>
void
DescribeSegmentation(const LabelTable & table, TLabelImage * labels)
{
  using ExtentType = std::array<itk::IndexValueType, 6>; // first and last index along x, y, z
  std::map<int, ExtentType> extents;
  const auto                first = labels->GetLargestPossibleRegion().GetIndex();
  using IteratorType = itk::ImageRegionConstIteratorWithIndex<TLabelImage>;
  for (IteratorType it(labels, labels->GetLargestPossibleRegion()); !it.IsAtEnd(); ++it)
  {
    if (it.Get() == 0)
    {
      continue;
    }
    auto & extent =
      extents.try_emplace(static_cast<int>(it.Get()), ExtentType{ { -1, -1, -1, -1, -1, -1 } }).first->second;
    const bool isNew = extent[0] < 0;
    for (unsigned int d = 0; d < 3; ++d)
    {
      const auto place = d < TLabelImage::ImageDimension ? it.GetIndex()[d] - first[d] : 0;
      extent[2 * d] = isNew ? place : std::min(extent[2 * d], place);
      extent[2 * d + 1] = isNew ? place : std::max(extent[2 * d + 1], place);
    }
  }
  auto & dictionary = labels->GetMetaDataDictionary();
  DescribeLabels(table, dictionary);
  const auto add = [&dictionary](const std::string & key, const std::string & value) {
    itk::EncapsulateMetaData<std::string>(dictionary, key, value);
  };
  for (size_t k = 0; k < table.size(); ++k)
  {
    std::string text;
    const auto  found = extents.find(table[k].value);
    for (const auto place : found == extents.end() ? ExtentType{ { 0, -1, 0, -1, 0, -1 } } : found->second)
    {
      text += (text.empty() ? "" : " ") + std::to_string(place);
    }
    const std::string prefix = "Segment" + std::to_string(k) + "_";
    add(prefix + "Extent", text);
    add(prefix + "NameAutoGenerated", "0");
    add(prefix + "ColorAutoGenerated", "0");
  }
  // Versions before 5.2 called the source representation the master.
  add("Segmentation_SourceRepresentation", "Binary labelmap");
  add("Segmentation_MasterRepresentation", "Binary labelmap");
  add("Segmentation_ContainedRepresentationNames", "Binary labelmap|");
  add("Segmentation_ReferenceImageExtentOffset", "0 0 0");
}

/** Whether a file is called as 3D Slicer calls segmentations: NAME.seg.nrrd. */
bool
IsSegmentationName(const std::string & path);

/** Write a label map. NIfTI, which keeps no keys, gets names and colors and by what it was made, too. A segmentation of
 * 3D Slicer is a volume, so that of a 2-D image gets one slice.
 * \throws itk::ExceptionObject or Error when the file cannot be written. */
template <typename TLabelImage>
void
WriteSegmentation(const LabelTable & table, const TLabelImage * labels, const std::string & path)
{
  if constexpr (TLabelImage::ImageDimension == 2)
  {
    if (IsSegmentationName(path))
    {
      const auto join = itk::JoinSeriesImageFilter<TLabelImage, itk::Image<typename TLabelImage::PixelType, 3>>::New();
      join->SetInput(labels);
      join->UpdateOutputInformation();
      join->GetOutput()->SetMetaDataDictionary(labels->GetMetaDataDictionary());
      WriteImage(join->GetOutput(), path, true);
      return;
    }
  }
  WriteImage(labels, path, true);
  AddNiftiLabels(path, table, GetProvenance(labels->GetMetaDataDictionary()));
}
} // namespace sam

#endif
