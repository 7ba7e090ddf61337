// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPrototypeUse.h"

#include <cmath>
#include <iomanip>
#include <locale>
#include <sstream>

namespace sam
{
namespace
{
constexpr double deadShare = 0.01;        // of an equal one
constexpr double leastInformation = 0.02; // nats; below it every slice gets the same prompt
constexpr size_t fewestSlices = 5;        // that say something about it

double
Entropy(double share)
{
  return share > 0.0 ? -share * std::log(share) : 0.0;
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

std::vector<double>
PrototypeUse::GetTotals() const
{
  auto totals = m_Sums;
  totals.push_back(m_Entropies);
  totals.push_back(static_cast<double>(m_Slices));
  return totals;
}

PrototypeUse
PrototypeUse::FromTotals(const std::vector<double> & totals)
{
  PrototypeUse use;
  use.m_Sums.assign(totals.begin(), totals.end() - 2);
  use.m_Entropies = totals[totals.size() - 2];
  use.m_Slices = static_cast<size_t>(std::llround(totals.back()));
  return use;
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

bool
PrototypeUse::IsCollapsed() const
{
  return m_Slices >= fewestSlices && (this->GetInformation() < leastInformation ||
                                      (m_Slices >= m_Sums.size() && 2 * this->GetNumberOfDead() > m_Sums.size()));
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
} // namespace sam
