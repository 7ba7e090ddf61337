// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samSteps_h
#define samSteps_h

#include "samCommandLine.h"
#include "samError.h"
#include "samLabelTable.h"

#include "itkCommand.h"
#include "itkImageFileWriter.h"
#include "itkMetaDataDictionary.h"
#include "itkProcessObject.h"

#include <algorithm>
#include <exception>
#include <functional>
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
    std::string text = exception.GetDescription();
    std::replace(text.begin(), text.end(), '\n', ' ');
    throw Error(text.find(file) == std::string::npos ? file + ": " + text : text);
  }
}

/** Update a filter on an image file. \a progress is called with the fraction done and may throw to stop. */
void
UpdateFilter(itk::ProcessObject * filter, const std::string & file, const std::function<void(double)> & progress);

/** \throws Error when no image format writes files of this name. */
void
CheckWritable(const std::string & path);

/** To be asked before the work: \throws Error when images or other files cannot be written there. Empty names are none.
 */
void
CheckOutputs(const std::vector<std::string> & images, const std::vector<std::string> & others);

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

/** Names and colors into the file's header: the keys that 3D Slicer reads from NRRD files, and a line of text that also
 * fits into NIfTI's 80 characters of description. */
void
DescribeLabels(const LabelTable & table, itk::MetaDataDictionary & dictionary);
} // namespace sam

#endif
