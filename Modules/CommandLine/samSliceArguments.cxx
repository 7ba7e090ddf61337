// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samSliceArguments.h"

#include "samError.h"
#include "samModelReading.h"

#include <algorithm>

namespace sam
{
SliceArguments::SliceArguments(TCLAP::CmdLine & parser, bool hasRange)
  : m_Model("",
            "model",
            "The model file (.safetensors), or a checkpoint of SAM, MobileSAM, MedSAM or HQ-SAM.",
            true,
            "",
            "FILE",
            parser)
  , m_Axis("",
           "axis",
           "Volumes: the axis across the slices, 0, 1 or 2. It counts along the model's orientation; when that is "
           "'acquisition', along the axes of the file. Default: 2.",
           false,
           2,
           "N",
           parser)
  , m_Window("",
             "window",
             "The intensities that become black and white. Default: 8-bit images as they are, of others the 0.5th to "
             "the 99.5th percentile of the whole image.",
             false,
             "",
             "LOWER,UPPER",
             parser)
  , m_Range("",
            "slices",
            "Volumes: these slices only, first:last or one, counted from 0 along the axis. Default: all.",
            false,
            "",
            "RANGE")
{
  if (hasRange)
  {
    parser.add(m_Range);
  }
}

SliceOptions
SliceArguments::Get(const std::string & image) const
{
  SliceOptions options{ image, m_Axis.getValue(), {}, {} };
  if (options.axis > 2)
  {
    throw Error("--axis: " + std::to_string(options.axis) + ", expected 0, 1 or 2");
  }
  if (m_Window.isSet())
  {
    options.window = ParseWindow("--window", m_Window.getValue());
  }
  if (m_Range.isSet())
  {
    options.range = ParseRange("--slices", m_Range.getValue());
  }
  return options;
}

void
SliceArguments::CheckUnset(const itk::SamModel * model) const
{
  for (const TCLAP::Arg * argument : std::initializer_list<const TCLAP::Arg *>{ &m_Axis, &m_Window, &m_Range })
  {
    if (argument->isSet())
    {
      throw Error("--" + argument->getName() + ": " + model->GetFileName() +
                  " makes its own prompts, expected a model that takes slices (SAM)");
    }
  }
}

itk::SamModel::Pointer
SliceArguments::ReadModel(const CommandLine & line) const
{
  return sam::ReadModel(line, m_Model.getValue());
}

std::vector<long>
ParseRange(const std::string & option, const std::string & text)
{
  std::string numbers = text;
  std::replace(numbers.begin(), numbers.end(), ':', ',');
  const auto ends = ParseIntegers(option, numbers);
  if (ends.size() > 2)
  {
    throw Error(option + ": '" + text + "', expected first:last or one slice");
  }
  return { ends.front(), ends.back() };
}

std::vector<double>
ParseWindow(const std::string & option, const std::string & text)
{
  const auto window = ParseNumbers(option, text);
  if (window.size() != 2 || !(window[0] < window[1]))
  {
    throw Error(option + ": '" + text + "', expected lower,upper with lower < upper");
  }
  return window;
}
} // namespace sam
