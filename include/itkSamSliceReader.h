// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamSliceReader_h
#define itkSamSliceReader_h

#include "itkSamPixels.h"
#include "itkSamSlices.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>
#include <vector>

namespace itk
{
/** \class SamSliceReader
 * \brief Slices of an image as a promptable model takes them: colors as whole numbers from 0 to 255.
 *
 * Images of 8 bits stay as they are. Other intensities are mapped linearly, \a window to 0..255, limited and rounded;
 * without a window it is the 0.5th to the 99.5th percentile of the whole image, all components together. One component
 * is repeated to all channels of the model; of 8-bit images with one more component than that (alpha) the last is left
 * out.
 *
 * \ingroup SegmentAnything
 */
template <typename TImage>
class SamSliceReader
{
public:
  using ComponentType = SamComponentType<TImage>;
  using WindowType = std::array<double, 2>; ///< the intensities that become 0 and 255

  static constexpr bool         IsEightBit = std::is_same<ComponentType, unsigned char>::value;
  static constexpr unsigned int ImageDimension = TImage::ImageDimension;

  /** Whether the whole image must be buffered, not the slices alone. \a window is empty or has two numbers. */
  static bool
  NeedsWholeImage(const std::vector<double> & window)
  {
    return !IsEightBit && window.empty();
  }

  /** \throws ExceptionObject when the window is no range or the image's components do not fit the model. */
  static void
  Verify(const TImage * image, const SamModel * model, const std::vector<double> & window)
  {
    if (!window.empty() && (window.size() != 2 || !(window[0] < window[1])))
    {
      itkSamExceptionMacro("window " << (window.empty() ? 0.0 : window.front()) << " to "
                                     << (window.empty() ? 0.0 : window.back()) << ", expected lower < upper");
    }
    CountUsed(image, model);
  }

  /** The slices \a first to \a first + \a count − 1 must be buffered; all when NeedsWholeImage().
   * \throws ExceptionObject when a needed value is NaN or infinite. */
  SamSliceReader(const TImage *              image,
                 const SamModel *            model,
                 const SamSlices &           slices,
                 const std::vector<double> & window,
                 IndexValueType              first,
                 SizeValueType               count)
    : m_Image(image)
    , m_Slices(slices)
    , m_Channels(model->GetNumberOfChannels())
    , m_Used(CountUsed(image, model))
    , m_KeepsValues(IsEightBit && window.empty())
  {
    const bool        isWhole = NeedsWholeImage(window);
    const SamIndexBox box =
      isWhole ? slices.GetImageBox(slices.GetFirst(), slices.GetNumberOfSlices()) : slices.GetImageBox(first, count);
    SamCheckFinite(image, box.template ToRegion<ImageDimension>());
    if (isWhole)
    {
      m_Window = SamQuantiles(image, 0.005, 0.995);
    }
    else if (!m_KeepsValues)
    {
      m_Window = { { window[0], window[1] } };
    }
  }

  /** A slice, C×1×H×W. */
  SamTensor
  Read(IndexValueType slice) const
  {
    const auto         size = m_Slices.GetSize();
    const size_t       pixels = size[0] * size[1];
    const auto         components = static_cast<OffsetValueType>(m_Image->GetNumberOfComponentsPerPixel());
    const double       scale = m_Window[1] > m_Window[0] ? 255.0 / (m_Window[1] - m_Window[0]) : 0.0;
    const auto * const source = SamComponents(m_Image);
    std::vector<float> values(m_Channels * pixels);
    m_Slices.template VisitSlice<ImageDimension>(m_Image, slice, [&](size_t k, OffsetValueType offset) {
      for (size_t c = 0; c < m_Channels; ++c)
      {
        const auto value =
          static_cast<double>(source[offset * components + static_cast<OffsetValueType>(m_Used == 1 ? 0 : c)]);
        const auto gray =
          m_KeepsValues ? value : std::floor(std::min(std::max((value - m_Window[0]) * scale, 0.0), 255.0) + 0.5);
        values[c * pixels + k] = static_cast<float>(gray);
      }
    });
    const std::vector<int64_t> sizes{
      static_cast<int64_t>(m_Channels), 1, static_cast<int64_t>(size[1]), static_cast<int64_t>(size[0])
    };
    return SamTensor::FromHost(values.data(), sizes);
  }

private:
  static size_t
  CountUsed(const TImage * image, const SamModel * model)
  {
    const size_t channels = model->GetNumberOfChannels();
    const size_t found = image->GetNumberOfComponentsPerPixel();
    const bool   hasAlpha = IsEightBit && found != channels && (found == 2 || found == channels + 1);
    const size_t used = hasAlpha ? found - 1 : found;
    if (used != 1 && used != channels)
    {
      itkSamExceptionMacro("the image has " << found << " channels, expected 1 or " << channels << " ("
                                            << model->GetChannelNames() << ')');
    }
    return used;
  }

  const TImage * m_Image;
  SamSlices      m_Slices;
  size_t         m_Channels;
  size_t         m_Used; ///< components that the model sees
  bool           m_KeepsValues;
  WindowType     m_Window{ { 0.0, 255.0 } };
};
} // namespace itk

#endif
