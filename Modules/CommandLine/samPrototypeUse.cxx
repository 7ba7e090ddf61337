// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPrototypeUse.h"

#include "samCommandLine.h"
#include "samError.h"
#include "samImageReading.h"
#include "samLabelImage.h"
#include "samSteps.h"

#include "itkSamEncoderImageFilter.h"
#include "itkSamPrototypePromptImageFilter.h"
#include "itkSamResampleImageFilter.h"

#include <cmath>
#include <iomanip>
#include <locale>
#include <sstream>

namespace sam
{
namespace
{
constexpr double deadShare = 0.01; // of an equal one

double
Entropy(double share)
{
  return share > 0.0 ? -share * std::log(share) : 0.0;
}

template <unsigned int VDimension>
void
AddImage(const itk::SamModel * model, const std::string & path, PrototypeUse & use)
{
  using ChannelImage = itk::VectorImage<float, VDimension>;
  const auto resample = itk::SamResampleImageFilter<ChannelImage>::New();
  const auto encoder = itk::SamEncoderImageFilter<ChannelImage>::New();
  const auto prompter = itk::SamPrototypePromptImageFilter<ChannelImage>::New();
  resample->SetInput(Read<ChannelImage>(path));
  encoder->SetInput(resample->GetOutput());
  prompter->SetInput(encoder->GetOutput());
  resample->SetModel(model);
  encoder->SetModel(model);
  prompter->SetModel(model);
  UpdateFilter(prompter, path, [](double) { ThrowIfInterrupted(); });
  for (const auto & shares : prompter->GetAddresses())
  {
    use.Add(shares);
  }
}
} // namespace

void
PrototypeUse::Add(const std::vector<float> & shares)
{
  m_Sums.resize(shares.size(), 0.0);
  for (size_t k = 0; k < shares.size(); ++k)
  {
    m_Sums[k] += static_cast<double>(shares[k]);
    m_Entropies += Entropy(static_cast<double>(shares[k]));
  }
  ++m_Slices;
}

double
PrototypeUse::GetEntropy() const
{
  double entropy = 0.0;
  for (const double sum : m_Sums)
  {
    entropy += Entropy(sum / static_cast<double>(m_Slices));
  }
  return entropy;
}

double
PrototypeUse::GetInformation() const
{
  return m_Slices > 0 ? this->GetEntropy() - m_Entropies / static_cast<double>(m_Slices) : 0.0;
}

size_t
PrototypeUse::GetNumberOfDead() const
{
  const double least = deadShare * static_cast<double>(m_Slices) / static_cast<double>(m_Sums.size());
  size_t       dead = 0;
  for (const double sum : m_Sums)
  {
    dead += sum < least ? 1 : 0;
  }
  return dead;
}

std::string
PrototypeUse::Describe() const
{
  const double       most = std::log(static_cast<double>(m_Sums.size()));
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text << std::fixed << std::setprecision(3) << m_Slices << (m_Slices == 1 ? " slice" : " slices")
       << " of these images\n"
       << "entropy of the mean shares " << this->GetEntropy() << " nats of " << most << ": as many as "
       << std::setprecision(1) << std::exp(this->GetEntropy()) << " of " << m_Sums.size() << " prototypes used alike\n"
       << std::setprecision(3) << "shares tell " << this->GetInformation() << " nats about the slice\n"
       << this->GetNumberOfDead() << " dead: mean share below a hundredth of an equal one";
  return text.str();
}

PrototypeUse
MeasurePrototypeUse(const itk::SamModel * model, const std::vector<std::string> & images)
{
  if (!model->HasPrototypes())
  {
    throw Error(model->GetFileName() + ": has no prototypes whose use by images could be measured");
  }
  PrototypeUse use;
  for (const auto & image : images)
  {
    ReadImageDimension(image) == 2 ? AddImage<2>(model, image, use) : AddImage<3>(model, image, use);
  }
  return use;
}
} // namespace sam
