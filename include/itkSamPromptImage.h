// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamPromptImage_h
#define itkSamPromptImage_h

#include "itkSamTensorImage.h"

#include <string>
#include <utility>
#include <vector>

namespace itk
{
/** \class SamPromptImage
 * \brief Prompts that were generated from an image: N masks, boxes and class tokens per slice.
 *
 * The pixels are the logits of the N masks on the image's grid, padded to whole tokens. Boxes, class tokens and the
 * features that refine the masks are carried along.
 *
 * \ingroup SegmentAnything
 */
template <unsigned int VDimension = 3>
class ITK_TEMPLATE_EXPORT SamPromptImage : public SamTensorImage<VDimension>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SamPromptImage);

  using Self = SamPromptImage;
  using Superclass = SamTensorImage<VDimension>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;
  using ConstWeakPointer = WeakPointer<const Self>;

  itkNewMacro(Self);

  using PointType = typename Superclass::PointType;

  /** Set/Get all prompts. The buffered region must have the masks' size.
   * \throws ExceptionObject when the sizes do not belong together. */
  void
  SetPrompts(const SamPrompts & prompts);
  SamPrompts
  GetPrompts() const;

  /** Prompts per slice. */
  unsigned int
  GetNumberOfQueries() const
  {
    return this->GetNumberOfComponentsPerPixel();
  }

  /** Two opposite corners of a box in mm, at the outer edges of the voxels, in the middle of the slice. Slices and
   * queries count from 0; a 2-D image has slice 0.
   * \throws ExceptionObject when there is no such box. */
  std::pair<PointType, PointType>
  GetBox(unsigned int slice, unsigned int query) const;

  /** Write all prompts with the image's geometry to a .safetensors file, complete or not at all.
   * \throws ExceptionObject naming the file. */
  void
  Write(const std::string & fileName) const;

  /** \throws ExceptionObject naming the file and what is wrong in it. */
  static Pointer
  Read(const std::string & fileName);

  void
  Allocate(bool initialize = false) override;

  void
  Initialize() override;

  using Superclass::Graft;
  void
  Graft(const VectorImage<float, VDimension> * image) override;

protected:
  SamPromptImage() = default;
  ~SamPromptImage() override = default;

  void
  PrintSelf(std::ostream & os, Indent indent) const override;

private:
  SamTensor                  m_Boxes;
  SamTensor                  m_ClassTokens;
  SamTensor                  m_Details;
  mutable std::vector<float> m_BoxesOnHost;
};

/** Write prompts and the grid that they lie on. \throws ExceptionObject naming the file. */
SegmentAnything_EXPORT void
WriteSamPrompts(const std::string & fileName, const SamPrompts & prompts, const SamGrid & grid);

/** Read what WriteSamPrompts wrote; \a grid says where the prompts lie and its dimension.
 * \throws ExceptionObject naming the file and what is wrong in it. */
SegmentAnything_EXPORT SamPrompts
ReadSamPrompts(const std::string & fileName, SamGrid & grid);
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkSamPromptImage.hxx"
#endif

#endif
