// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamTensor_h
#define itkSamTensor_h

#include "SegmentAnythingExport.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace itk
{
/** \class SamTensor
 * \brief A float tensor on a device, behind an interface without LibTorch's headers.
 *
 * Copies share the values, which never change. Sizes are in the network's order, for images C×D×H×W (channels, slices,
 * rows, columns); a 2-D image has one slice.
 *
 * \ingroup SegmentAnything
 */
class SegmentAnything_EXPORT SamTensor
{
public:
  struct Implementation;

  /** An empty tensor. */
  SamTensor() = default;

  explicit SamTensor(std::shared_ptr<const Implementation> implementation);

  bool
  IsEmpty() const
  {
    return m_Implementation == nullptr;
  }

  /** Extent of each axis; none for an empty tensor. */
  std::vector<int64_t>
  GetSizes() const;

  /** Where the values are, as LibTorch names it: "cpu", "cuda:0". */
  std::string
  GetDevice() const;

  /** Copy values to a device. \a sizes is their shape, the last axis running fastest.
   * \throws ExceptionObject when the device is not there or lacks memory. */
  static SamTensor
  FromHost(const float * values, const std::vector<int64_t> & sizes, const std::string & device = "cpu");

  /** Copy a VectorImage's buffer, D×H×W×C, into a tensor C×D×H×W. \a sizes are those of the tensor. */
  static SamTensor
  FromHostChannelsLast(const float * values, const std::vector<int64_t> & sizes, const std::string & device = "cpu");

  /** One slice C×1×H×W of C×D×H×W. \throws ExceptionObject when there is no such slice. */
  SamTensor
  GetSlice(int64_t slice) const;

  /** One channel 1×... of C×.... \throws ExceptionObject when there is no such channel. */
  SamTensor
  GetChannel(int64_t channel) const;

  /** Copy all values, the last axis running fastest. Waits for the device. */
  void
  CopyToHost(float * values) const;

  /** Copy a tensor C×D×H×W into a VectorImage's buffer, D×H×W×C. Waits for the device. */
  void
  CopyToHostChannelsLast(float * values) const;

  /** How often values were copied from a tensor to a host buffer since the program started. */
  static uint64_t
  GetNumberOfHostTransfers();

  /** For the library's own code. */
  const std::shared_ptr<const Implementation> &
  GetImplementation() const
  {
    return m_Implementation;
  }

private:
  std::shared_ptr<const Implementation> m_Implementation;
};

/** \class SamPrompts
 * \brief What tells the decoder where to look: N queries in each of D slices of H×W voxels.
 * \ingroup SegmentAnything
 */
struct SamPrompts
{
  SamTensor masks;       ///< N×D×H×W, auxiliary mask logits
  SamTensor boxes;       ///< D×N×4, x1 y1 x2 y2 as fractions of width and height, at the voxels' outer edges
  SamTensor classTokens; ///< D×N×C
  SamTensor details;     ///< c×D×H×W, features that refine the masks; empty when the decoder takes none
};

/** \class SamDensePrompt
 * \brief What tells the decoder where to look, at each of h×w tokens of D slices, and how it came about.
 * \ingroup SegmentAnything
 */
struct SamDensePrompt
{
  SamTensor prompt;     ///< C×D×h×w
  SamTensor similarity; ///< 1×D×h×w, cosine of the embedding and the slice's prototype
  SamTensor addresses;  ///< D×M, shares of the model's M prototypes in that of the slice, with sum 1
};
} // namespace itk

#endif
