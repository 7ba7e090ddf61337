// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamPromptImage_hxx
#define itkSamPromptImage_hxx

#include "itkSamPromptImage.h"

#include "itkContinuousIndex.h"

namespace itk
{
template <unsigned int VDimension>
void
SamPromptImage<VDimension>::SetPrompts(const SamPrompts & prompts)
{
  this->SetTensor(prompts.masks);
  const auto masks = prompts.masks.GetSizes();
  const auto boxes = prompts.boxes.GetSizes();
  const auto tokens = prompts.classTokens.GetSizes();
  if (masks.size() != 4 || boxes != std::vector<int64_t>{ masks[1], masks[0], 4 } || tokens.size() != 3 ||
      tokens[0] != masks[1] || tokens[1] != masks[0])
  {
    itkSamExceptionMacro(
      "boxes and class tokens of the prompts do not belong to its masks, expected one each per slice "
      "and query");
  }
  m_Boxes = prompts.boxes;
  m_ClassTokens = prompts.classTokens;
  m_Details = prompts.details;
  m_BoxesOnHost.clear();
}

template <unsigned int VDimension>
SamPrompts
SamPromptImage<VDimension>::GetPrompts() const
{
  if (m_Boxes.IsEmpty())
  {
    itkSamExceptionMacro("the prompt image has no prompts");
  }
  return { this->GetTensor(), m_Boxes, m_ClassTokens, m_Details };
}

template <unsigned int VDimension>
auto
SamPromptImage<VDimension>::GetBox(unsigned int slice, unsigned int query) const -> std::pair<PointType, PointType>
{
  const auto & region = this->GetBufferedRegion();
  const auto   sizes = m_Boxes.GetSizes();
  if (m_Boxes.IsEmpty() || slice >= sizes[0] || query >= sizes[1])
  {
    itkSamExceptionMacro("box of slice " << slice << " and query " << query << ", expected below "
                                         << (m_Boxes.IsEmpty() ? 0 : sizes[0]) << " and "
                                         << (m_Boxes.IsEmpty() ? 0 : sizes[1]));
  }
  if (m_BoxesOnHost.empty())
  {
    m_BoxesOnHost.resize(static_cast<size_t>(sizes[0] * sizes[1] * 4));
    m_Boxes.CopyToHost(m_BoxesOnHost.data());
  }
  const float * box = &m_BoxesOnHost[4 * (static_cast<size_t>(slice) * static_cast<size_t>(sizes[1]) + query)];
  const auto    corner = [&](const float * fractions) {
    ContinuousIndex<double, VDimension> index;
    for (unsigned int i = 0; i < 2; ++i)
    {
      index[i] = static_cast<double>(region.GetIndex(i)) - 0.5 +
                 static_cast<double>(fractions[i]) * static_cast<double>(region.GetSize(i));
    }
    if (VDimension > 2)
    {
      index[VDimension - 1] = static_cast<double>(region.GetIndex(VDimension - 1)) + slice;
    }
    PointType point;
    this->TransformContinuousIndexToPhysicalPoint(index, point);
    return point;
  };
  return { corner(box), corner(box + 2) };
}

template <unsigned int VDimension>
void
SamPromptImage<VDimension>::Write(const std::string & fileName) const
{
  WriteSamPrompts(fileName, this->GetPrompts(), SamGrid::FromImage<VDimension>(this));
}

template <unsigned int VDimension>
auto
SamPromptImage<VDimension>::Read(const std::string & fileName) -> Pointer
{
  SamGrid    grid;
  const auto prompts = ReadSamPrompts(fileName, grid);
  if (grid.dimension != VDimension)
  {
    itkSamExceptionMacro(fileName << ": prompts of dimension " << grid.dimension << ", expected " << VDimension);
  }
  auto image = Self::New();
  grid.CopyTo<VDimension>(image);
  image->SetRegions(image->GetLargestPossibleRegion());
  image->SetPrompts(prompts);
  return image;
}

template <unsigned int VDimension>
void
SamPromptImage<VDimension>::Allocate(bool initialize)
{
  m_Boxes = m_ClassTokens = m_Details = SamTensor();
  m_BoxesOnHost.clear();
  Superclass::Allocate(initialize);
}

template <unsigned int VDimension>
void
SamPromptImage<VDimension>::Initialize()
{
  m_Boxes = m_ClassTokens = m_Details = SamTensor();
  m_BoxesOnHost.clear();
  Superclass::Initialize();
}

template <unsigned int VDimension>
void
SamPromptImage<VDimension>::Graft(const VectorImage<float, VDimension> * image)
{
  if (image == nullptr)
  {
    return;
  }
  Superclass::Graft(image);
  const auto * other = dynamic_cast<const Self *>(image);
  m_Boxes = other ? other->m_Boxes : SamTensor();
  m_ClassTokens = other ? other->m_ClassTokens : SamTensor();
  m_Details = other ? other->m_Details : SamTensor();
  m_BoxesOnHost.clear();
}

template <unsigned int VDimension>
void
SamPromptImage<VDimension>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Boxes: " << (m_Boxes.IsEmpty() ? "(none)" : "set") << std::endl;
  os << indent << "ClassTokens: " << (m_ClassTokens.IsEmpty() ? "(none)" : "set") << std::endl;
  os << indent << "Details: " << (m_Details.IsEmpty() ? "(none)" : "set") << std::endl;
}
} // namespace itk

#endif
