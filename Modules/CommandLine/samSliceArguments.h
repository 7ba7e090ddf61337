// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samSliceArguments_h
#define samSliceArguments_h

#include "samCommandLine.h"
#include "samSliceImages.h"

namespace sam
{
/** \class SliceArguments
 * \brief The options of the programs that run a promptable model: --model, --axis, --window, and --slices.
 */
class SliceArguments
{
public:
  /** \a hasRange: with --slices. */
  SliceArguments(TCLAP::CmdLine & parser, bool hasRange);

  /** Their values. \throws Error naming the option. */
  SliceOptions
  Get(const std::string & image) const;

  /** \throws Error naming an option that is given although the model does not take slices. */
  void
  CheckUnset(const itk::SamModel * model) const;

  /** Read the model onto the device that is asked for. */
  itk::SamModel::Pointer
  ReadModel(const CommandLine & line) const;

private:
  TCLAP::ValueArg<std::string>  m_Model;
  TCLAP::ValueArg<unsigned int> m_Axis;
  TCLAP::ValueArg<std::string>  m_Window;
  TCLAP::ValueArg<std::string>  m_Range;
};

/** "first:last" or one number. \throws Error naming the option. */
std::vector<long>
ParseRange(const std::string & option, const std::string & text);

/** "lower,upper". \throws Error naming the option. */
std::vector<double>
ParseWindow(const std::string & option, const std::string & text);
} // namespace sam

#endif
