// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPreview.h"
#include "samError.h"
#include "samMessage.h"
#include "samSurfaceDistance.h"

#include "itkImageFileWriter.h"
#include "itkImageScanlineConstIterator.h"
#include "itkPNGImageIO.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <unordered_map>
#include <utility>

namespace sam
{
namespace
{
using Color = std::array<unsigned char, 3>;
using Vector3 = std::array<double, 3>;

constexpr Color        paper{ { 18, 18, 18 } };
constexpr Color        ink{ { 225, 225, 225 } };
constexpr unsigned int gap = 4;
constexpr unsigned int textScale = 2;
constexpr unsigned int glyphWidth = 6 * textScale;
constexpr unsigned int glyphHeight = 9 * textScale;

// Letters of 5 x 9 pixels: a base-32 digit for each row, the last two below the base line.
const std::unordered_map<char, const char *> glyphs{
  { 'A', "EHHVHHH00" }, { 'B', "UHHUHHU00" }, { 'C', "FGGGGGF00" }, { 'D', "UHHHHHU00" }, { 'E', "VGGUGGV00" },
  { 'F', "VGGUGGG00" }, { 'G', "FGGJHHF00" }, { 'H', "HHHVHHH00" }, { 'I', "E44444E00" }, { 'J', "72222IC00" },
  { 'K', "HIKOKIH00" }, { 'L', "GGGGGGV00" }, { 'M', "HRLLHHH00" }, { 'N', "HPPLJJH00" }, { 'O', "EHHHHHE00" },
  { 'P', "UHHUGGG00" }, { 'Q', "EHHHLID00" }, { 'R', "UHHUKIH00" }, { 'S', "FGGE11U00" }, { 'T', "V44444400" },
  { 'U', "HHHHHHE00" }, { 'V', "HHHHAA400" }, { 'W', "HHHLLRH00" }, { 'X', "HAA4AAH00" }, { 'Y', "HHA444400" },
  { 'Z', "V1248GV00" }, { 'a', "00E1FHF00" }, { 'b', "GGUHHHU00" }, { 'c', "00FGGGF00" }, { 'd', "11FHHHF00" },
  { 'e', "00EHVGF00" }, { 'f', "68U888800" }, { 'g', "00FHHHF1E" }, { 'h', "GGUHHHH00" }, { 'i', "40C444E00" },
  { 'j', "20622222C" }, { 'k', "GGIKOKI00" }, { 'l', "C44444E00" }, { 'm', "00QLLLL00" }, { 'n', "00UHHHH00" },
  { 'o', "00EHHHE00" }, { 'p', "00UHHHUGG" }, { 'q', "00FHHHF11" }, { 'r', "00MOGGG00" }, { 's', "00FGE1U00" },
  { 't', "88U888600" }, { 'u', "00HHHHF00" }, { 'v', "00HHAA400" }, { 'w', "00HLLLA00" }, { 'x', "00HA4AH00" },
  { 'y', "00HHHHF1E" }, { 'z', "00V248V00" }, { '0', "EHJLPHE00" }, { '1', "4C4444E00" }, { '2', "EH168GV00" },
  { '3', "U11E11U00" }, { '4', "IIIV22200" }, { '5', "VGU111U00" }, { '6', "EGUHHHE00" }, { '7', "V12244400" },
  { '8', "EHHEHHE00" }, { '9', "EHHF11E00" }, { '-', "000E00000" }, { '_', "000000V00" }, { '.', "000000400" },
  { ',', "000004480" }, { '/', "11248GG00" }, { '(', "244444200" }, { ')', "844444800" }, { '+', "044V44000" },
  { ':', "004004000" }, { '?', "EH1640400" },
};

class Canvas
{
public:
  Canvas(unsigned int width, unsigned int height)
    : m_Width(width)
    , m_Height(height)
    , m_Pixels(static_cast<std::size_t>(width) * height, paper)
  {}

  void
  Set(int x, int y, const Color & color)
  {
    if (x >= 0 && y >= 0 && x < static_cast<int>(m_Width) && y < static_cast<int>(m_Height))
    {
      m_Pixels[static_cast<std::size_t>(y) * m_Width + x] = color;
    }
  }

  void
  FillRectangle(int x, int y, int width, int height, const Color & color)
  {
    for (int j = y; j < y + height; ++j)
    {
      for (int i = x; i < x + width; ++i)
      {
        this->Set(i, j, color);
      }
    }
  }

  void
  DrawFrame(int x, int y, int width, int height, const Color & color)
  {
    this->FillRectangle(x, y, width, 1, color);
    this->FillRectangle(x, y + height - 1, width, 1, color);
    this->FillRectangle(x, y, 1, height, color);
    this->FillRectangle(x + width - 1, y, 1, height, color);
  }

  void
  DrawText(int x, int y, const std::string & text, const Color & color)
  {
    for (const char letter : text)
    {
      const auto glyph = glyphs.find(letter);
      for (unsigned int row = 0; glyph != glyphs.end() && row < 9; ++row)
      {
        const char         digit = glyph->second[row];
        const unsigned int bits = digit >= 'A' ? digit - 'A' + 10 : digit - '0';
        for (unsigned int column = 0; column < 5; ++column)
        {
          if (bits >> (4 - column) & 1)
          {
            this->FillRectangle(x + column * textScale, y + row * textScale, textScale, textScale, color);
          }
        }
      }
      x += glyphWidth;
    }
  }

  unsigned int
  GetWidth() const
  {
    return m_Width;
  }
  unsigned int
  GetHeight() const
  {
    return m_Height;
  }
  /** Adds rows at the bottom. */
  void
  Extend(unsigned int rows)
  {
    m_Height += rows;
    m_Pixels.resize(static_cast<std::size_t>(m_Width) * m_Height, paper);
  }

  /** Text that is seen on bright and on dark ground. */
  void
  DrawTextOnImage(int x, int y, const std::string & text)
  {
    constexpr int halo = textScale;
    for (int j = -halo; j <= halo; ++j)
    {
      for (int i = -halo; i <= halo; ++i)
      {
        this->DrawText(x + i, y + j, text, paper);
      }
    }
    this->DrawText(x, y, text, ink);
  }

  PreviewImage::Pointer
  ToImage() const
  {
    auto                         image = PreviewImage::New();
    const PreviewImage::SizeType size{ { m_Width, m_Height } };
    image->SetRegions(PreviewImage::RegionType(size));
    image->Allocate();
    auto * out = image->GetBufferPointer();
    for (const Color & color : m_Pixels)
    {
      out->Set(color[0], color[1], color[2]);
      ++out;
    }
    return image;
  }

private:
  unsigned int       m_Width;
  unsigned int       m_Height;
  std::vector<Color> m_Pixels;
};

/** The pixels around a physical point and their weights: by cubic convolution, which is smooth, or linear, which does
 * not swing over. Both are exact at pixel centers. */
template <typename TImage>
class Neighborhood
{
public:
  Neighborhood(const TImage * image, bool cubic)
    : m_Image(image)
    , m_Cubic(cubic)
    , m_Region(image->GetBufferedRegion())
    , m_Buffer(image->GetBufferPointer())
  {}

  /** False when the point lies outside of the image. */
  bool
  MoveTo(const Vector3 & position)
  {
    typename TImage::PointType point;
    std::copy_n(position.begin(), Dimension, point.Begin());
    itk::ContinuousIndex<double, Dimension> index;
    m_Image->TransformPhysicalPointToContinuousIndex(point, index);
    m_Count = 1;
    m_Offsets[0] = 0;
    m_Weights[0] = 1.0;
    for (unsigned int d = 0; d < Dimension; ++d)
    {
      const auto   size = static_cast<itk::OffsetValueType>(m_Region.GetSize(d));
      const double place = index[d] - static_cast<double>(m_Region.GetIndex(d));
      if (!(place >= -0.5 - tolerance && place <= static_cast<double>(size) - 0.5 + tolerance))
      {
        return false;
      }
      double floor = std::floor(place);
      double t = place - floor;
      if (t > 1.0 - tolerance)
      {
        floor += 1.0;
        t = 0.0;
      }
      const bool            onPixel = t < tolerance;
      std::array<double, 4> weights{ { 0.0, 1.0 - t, t, 0.0 } };
      if (m_Cubic)
      {
        weights = { { ((-0.5 * t + 1.0) * t - 0.5) * t,
                      (1.5 * t - 2.5) * t * t + 1.0,
                      ((-1.5 * t + 2.0) * t + 0.5) * t,
                      (0.5 * t - 0.5) * t * t } };
      }
      const int          begin = onPixel || !m_Cubic ? 1 : 0;
      const int          end = onPixel ? 2 : (m_Cubic ? 4 : 3);
      const unsigned int count = m_Count;
      m_Count = 0;
      std::array<itk::OffsetValueType, 64> offsets;
      std::array<double, 64>               products;
      for (int k = begin; k < end; ++k)
      {
        const auto i = std::clamp<itk::OffsetValueType>(static_cast<itk::OffsetValueType>(floor) + k - 1, 0, size - 1);
        const double weight = onPixel ? 1.0 : weights[k];
        for (unsigned int n = 0; n < count; ++n, ++m_Count)
        {
          offsets[m_Count] = m_Offsets[n] + i * m_Image->GetOffsetTable()[d];
          products[m_Count] = m_Weights[n] * weight;
        }
      }
      std::copy_n(offsets.begin(), m_Count, m_Offsets.begin());
      std::copy_n(products.begin(), m_Count, m_Weights.begin());
    }
    return true;
  }

  /** Within the range of the neighbors: no bright and dark seams along edges. */
  double
  Interpolate() const
  {
    double sum = 0.0;
    double least = std::numeric_limits<double>::infinity();
    double greatest = -least;
    for (unsigned int n = 0; n < m_Count; ++n)
    {
      const auto value = static_cast<double>(m_Buffer[m_Offsets[n]]);
      sum += m_Weights[n] * value;
      least = std::min(least, value);
      greatest = std::max(greatest, value);
    }
    return least <= greatest ? std::clamp(sum, least, greatest) : sum;
  }

  /** The value with the greatest weight; of equals the least, so that a mirrored image gives the same picture. */
  int
  Vote() const
  {
    std::array<std::pair<int, double>, 64> votes;
    unsigned int                           candidates = 0;
    for (unsigned int n = 0; n < m_Count; ++n)
    {
      const int    value = m_Buffer[m_Offsets[n]];
      unsigned int c = 0;
      while (c < candidates && votes[c].first != value)
      {
        ++c;
      }
      if (c == candidates)
      {
        votes[candidates++] = { value, 0.0 };
      }
      votes[c].second += m_Weights[n];
    }
    auto best = votes[0];
    for (unsigned int c = 1; c < candidates; ++c)
    {
      const double difference = votes[c].second - best.second;
      if (difference > tolerance || (difference > -tolerance && votes[c].first < best.first))
      {
        best = votes[c];
      }
    }
    return best.first;
  }

private:
  static constexpr unsigned int Dimension = TImage::ImageDimension;
  static constexpr double       tolerance = 1e-6;

  const TImage *                       m_Image;
  bool                                 m_Cubic;
  typename TImage::RegionType          m_Region;
  const typename TImage::PixelType *   m_Buffer;
  unsigned int                         m_Count{ 0 };
  std::array<itk::OffsetValueType, 64> m_Offsets;
  std::array<double, 64>               m_Weights;
};

/** A plane in space and where it is shown. */
struct Panel
{
  Vector3      center;     // mm
  unsigned int columnAxis; // the physical axis that runs to the right
  unsigned int rowAxis;    // the physical axis that runs up or down
  double       rowSign;    // +1: down, -1: up
  double       pixel;      // mm per picture pixel
  unsigned int width;
  unsigned int height;
  char         leftLetter;
  char         topLetter;
  int          x{ 0 }; // where in the picture
  int          y{ 0 };

  /** The physical place of a picture coordinate; pixel centers have integer coordinates. */
  Vector3
  GetPosition(double column, double row) const
  {
    Vector3 position = center;
    position[columnAxis] += (column - 0.5 * (width - 1.0)) * pixel;
    position[rowAxis] += rowSign * (row - 0.5 * (height - 1.0)) * pixel;
    return position;
  }

  /** The picture coordinates of a physical place. */
  std::pair<double, double>
  GetPixel(const Vector3 & position) const
  {
    return { (position[columnAxis] - center[columnAxis]) / pixel + 0.5 * (width - 1.0),
             rowSign * (position[rowAxis] - center[rowAxis]) / pixel + 0.5 * (height - 1.0) };
  }
};

/** A box in space. */
struct Box
{
  Vector3 first;
  Vector3 last;

  Box()
  {
    first.fill(std::numeric_limits<double>::max());
    last.fill(std::numeric_limits<double>::lowest());
  }

  bool
  IsEmpty() const
  {
    return first[0] > last[0];
  }
  double
  GetExtent(unsigned int axis) const
  {
    return last[axis] - first[axis];
  }
  bool
  Contains(const Vector3 & point) const
  {
    return point[0] >= first[0] && point[0] <= last[0] && point[1] >= first[1] && point[1] <= last[1] &&
           point[2] >= first[2] && point[2] <= last[2];
  }
  Vector3
  GetCenter() const
  {
    return { { 0.5 * (first[0] + last[0]), 0.5 * (first[1] + last[1]), 0.5 * (first[2] + last[2]) } };
  }
  void
  Include(const Vector3 & point)
  {
    for (unsigned int d = 0; d < 3; ++d)
    {
      first[d] = std::min(first[d], point[d]);
      last[d] = std::max(last[d], point[d]);
    }
  }
};

/** The box of an image, from edge to edge of its pixels. */
template <unsigned int VDimension>
Box
GetImageBox(const itk::ImageBase<VDimension> * image)
{
  Box        box;
  const auto region = image->GetBufferedRegion();
  for (unsigned int corner = 0; corner < (1u << VDimension); ++corner)
  {
    itk::ContinuousIndex<double, VDimension> index;
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      index[d] = static_cast<double>(region.GetIndex(d)) - 0.5 +
                 (corner >> d & 1 ? static_cast<double>(region.GetSize(d)) : 0.0);
    }
    itk::Point<double, VDimension> point;
    image->TransformContinuousIndexToPhysicalPoint(index, point);
    Vector3 position{ { 0.0, 0.0, 0.0 } };
    std::copy_n(point.Begin(), VDimension, position.begin());
    box.Include(position);
  }
  return box;
}

/** Where the drawn labels are. */
struct Extent
{
  Box     box; // of the pixel centers
  Vector3 centroid{ { 0.0, 0.0, 0.0 } };
  double  count{ 0.0 };
};

/** The extent in the whole image, then those in each region. */
template <typename TLabelImage>
std::vector<Extent>
FindExtents(const TLabelImage * labels, const std::set<int> & drawn, const std::vector<Region> & regions)
{
  constexpr unsigned int Dimension = TLabelImage::ImageDimension;
  std::vector<Extent>    extents(regions.size() + 1);
  for (itk::ImageScanlineConstIterator<TLabelImage> it(labels, labels->GetBufferedRegion()); !it.IsAtEnd();
       it.NextLine())
  {
    for (; !it.IsAtEndOfLine(); ++it)
    {
      if (it.Get() == 0 || drawn.find(it.Get()) == drawn.end())
      {
        continue;
      }
      typename TLabelImage::PointType point;
      labels->TransformIndexToPhysicalPoint(it.GetIndex(), point);
      Vector3 position{ { 0.0, 0.0, 0.0 } };
      std::copy_n(point.Begin(), Dimension, position.begin());
      for (std::size_t i = 0; i < extents.size(); ++i)
      {
        if (i == 0 || regions[i - 1].Contains(point))
        {
          extents[i].box.Include(position);
          extents[i].count += 1.0;
          for (unsigned int d = 0; d < 3; ++d)
          {
            extents[i].centroid[d] += position[d];
          }
        }
      }
    }
  }
  for (auto & extent : extents)
  {
    for (auto & coordinate : extent.centroid)
    {
      coordinate /= std::max(extent.count, 1.0);
    }
  }
  return extents;
}

/** The center of the pixel that holds a point, so that planes show slices as they were acquired. */
template <unsigned int VDimension>
Vector3
SnapToPixel(const itk::ImageBase<VDimension> * image, const Vector3 & position)
{
  const auto                     region = image->GetBufferedRegion();
  itk::Point<double, VDimension> point;
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    // Off center, so that a point between two pixels goes to the same one in a mirrored image.
    point[d] = position[d] + 1e-3 * image->GetSpacing()[0];
  }
  itk::Index<VDimension> index;
  image->TransformPhysicalPointToIndex(point, index);
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    const auto first = region.GetIndex(d);
    index[d] =
      std::clamp<itk::IndexValueType>(index[d], first, first + static_cast<itk::IndexValueType>(region.GetSize(d)) - 1);
  }
  image->TransformIndexToPhysicalPoint(index, point);
  Vector3 snapped{ { 0.0, 0.0, 0.0 } };
  std::copy_n(point.Begin(), VDimension, snapped.begin());
  return snapped;
}

/** What a panel shows, before it is painted. */
struct Rendering
{
  std::vector<float> gray;  // NaN outside of the image
  std::vector<int>   label; // at twice the resolution, 0 where nothing is drawn
};

constexpr unsigned int fine = 2;

template <typename TLabelImage>
Rendering
Render(const Panel &                                          panel,
       const itk::Image<float, TLabelImage::ImageDimension> * image,
       const TLabelImage *                                    labels,
       const std::set<int> &                                  drawn,
       const Box &                                            labelBox)
{
  Rendering                                                    rendering;
  Neighborhood<itk::Image<float, TLabelImage::ImageDimension>> gray(image, true);
  Neighborhood<TLabelImage>                                    label(labels, false);
  rendering.gray.reserve(static_cast<std::size_t>(panel.width) * panel.height);
  for (unsigned int y = 0; y < panel.height; ++y)
  {
    for (unsigned int x = 0; x < panel.width; ++x)
    {
      rendering.gray.push_back(gray.MoveTo(panel.GetPosition(x, y)) ? static_cast<float>(gray.Interpolate())
                                                                    : std::numeric_limits<float>::quiet_NaN());
    }
  }
  rendering.label.reserve(rendering.gray.size() * fine * fine);
  for (unsigned int y = 0; y < panel.height * fine; ++y)
  {
    for (unsigned int x = 0; x < panel.width * fine; ++x)
    {
      const Vector3 position = panel.GetPosition((x + 0.5) / fine - 0.5, (y + 0.5) / fine - 0.5);
      int           value = 0;
      if (labelBox.Contains(position) && label.MoveTo(position))
      {
        value = label.Vote();
        value = drawn.find(value) == drawn.end() ? 0 : value;
      }
      rendering.label.push_back(value);
    }
  }
  return rendering;
}

/** Marks the pixels of each label that are closer than a width to another label or the background. */
std::vector<bool>
FindOutlines(const std::vector<int> & label, int width, int height, int lineWidth)
{
  std::vector<bool> outline(label.size(), false);
  const auto        at = [&label, width](int x, int y) { return label[static_cast<std::size_t>(y) * width + x]; };
  for (int y = 0; y < height; ++y)
  {
    for (int x = 0; x < width; ++x)
    {
      const int value = at(x, y);
      if (value == 0 || !((x > 0 && at(x - 1, y) != value) || (x + 1 < width && at(x + 1, y) != value) ||
                          (y > 0 && at(x, y - 1) != value) || (y + 1 < height && at(x, y + 1) != value)))
      {
        continue;
      }
      const int reach = lineWidth - 1;
      for (int j = std::max(y - reach, 0); j <= std::min(y + reach, height - 1); ++j)
      {
        for (int i = std::max(x - reach, 0); i <= std::min(x + reach, width - 1); ++i)
        {
          const double distance = std::hypot(i - x, j - y);
          if (distance < lineWidth - 0.5 && at(i, j) == value)
          {
            outline[static_cast<std::size_t>(j) * width + i] = true;
          }
        }
      }
    }
  }
  return outline;
}

/** Paints a panel and adds the labels seen in it. */
void
Paint(Canvas &                     canvas,
      const Panel &                panel,
      const Rendering &            rendering,
      double                       black,
      double                       white,
      const std::map<int, Color> & colors,
      unsigned int                 lineWidth,
      std::set<int> &              seen)
{
  const unsigned int fineWidth = panel.width * fine;
  const auto         outline = FindOutlines(rendering.label,
                                    static_cast<int>(fineWidth),
                                    static_cast<int>(panel.height * fine),
                                    static_cast<int>(lineWidth * fine));
  for (unsigned int y = 0; y < panel.height; ++y)
  {
    for (unsigned int x = 0; x < panel.width; ++x)
    {
      const float value = rendering.gray[static_cast<std::size_t>(y) * panel.width + x];
      double      level = 0.0;
      if (!std::isnan(value))
      {
        // The small addition takes ties of the rounding off, which mirrored images would resolve at random.
        level = white > black ? std::clamp((value - black) / (white - black), 0.0, 1.0) * 255.0 + 1e-4 : 128.0;
      }
      std::array<double, 3> sum{ { 0.0, 0.0, 0.0 } };
      for (unsigned int j = 0; j < fine; ++j)
      {
        for (unsigned int i = 0; i < fine; ++i)
        {
          const std::size_t place = static_cast<std::size_t>(y * fine + j) * fineWidth + x * fine + i;
          if (outline[place])
          {
            const Color & color = colors.at(rendering.label[place]);
            seen.insert(rendering.label[place]);
            for (unsigned int c = 0; c < 3; ++c)
            {
              sum[c] += color[c];
            }
          }
          else
          {
            for (auto & channel : sum)
            {
              channel += level;
            }
          }
        }
      }
      Color color;
      for (unsigned int c = 0; c < 3; ++c)
      {
        color[c] = static_cast<unsigned char>(std::clamp(std::lround(sum[c] / (fine * fine)), 0L, 255L));
      }
      canvas.Set(panel.x + static_cast<int>(x), panel.y + static_cast<int>(y), color);
    }
  }
}

/** Black and white: the 1st and 99th percentile of what the panels show, closer where that is far from the gray values
 * under the labels: the air around a patient should not cost the contrast of the organs. */
std::pair<double, double>
FindWindow(const std::vector<Rendering> & renderings, const std::vector<Panel> & panels)
{
  std::vector<double> values;
  std::vector<double> labeled;
  for (std::size_t i = 0; i < renderings.size(); ++i)
  {
    for (std::size_t n = 0; n < renderings[i].gray.size(); ++n)
    {
      const float value = renderings[i].gray[n];
      if (std::isfinite(value))
      {
        values.push_back(value);
        const std::size_t x = n % panels[i].width * fine;
        const std::size_t y = n / panels[i].width * fine;
        if (renderings[i].label[y * panels[i].width * fine + x] != 0)
        {
          labeled.push_back(value);
        }
      }
    }
  }
  if (values.empty())
  {
    return { 0.0, 0.0 };
  }
  double black = ComputePercentile(values, 1.0);
  double white = ComputePercentile(values, 99.0);
  if (!labeled.empty())
  {
    const double low = ComputePercentile(labeled, 1.0);
    const double high = ComputePercentile(labeled, 99.0);
    const double around = std::max(high - low, 0.25 * (white - black));
    black = std::max(black, low - around);
    white = std::min(white, high + around);
  }
  return { black, white };
}

/** The three planes through a point, each a square of the given length, in mm. */
std::vector<Panel>
MakePlanes(const Vector3 & viewCenter, const Vector3 & planePoint, double length, unsigned int panelSize)
{
  std::vector<Panel> panels;
  const double       pixel = length / panelSize;
  for (unsigned int normal : { 2u, 1u, 0u })
  {
    Panel panel;
    panel.center = viewCenter;
    panel.center[normal] = planePoint[normal];
    panel.columnAxis = normal == 0 ? 1 : 0;
    panel.rowAxis = normal == 2 ? 1 : 2;
    panel.rowSign = normal == 2 ? 1.0 : -1.0;
    panel.pixel = pixel;
    panel.width = panelSize;
    panel.height = panelSize;
    panel.leftLetter = normal == 0 ? 'A' : 'R';
    panel.topLetter = normal == 2 ? 'A' : 'S';
    panels.push_back(panel);
  }
  return panels;
}

/** Cuts off what lies beyond the image; the scale remains. */
void
Clip(Panel & panel, const Box & imageBox)
{
  constexpr unsigned int smallest = 2 * glyphHeight;
  for (const unsigned int axis : { panel.columnAxis, panel.rowAxis })
  {
    unsigned int & count = axis == panel.columnAxis ? panel.width : panel.height;
    const double   half = 0.5 * count * panel.pixel;
    const double   first = std::max(panel.center[axis] - half, imageBox.first[axis]);
    const double   last = std::min(panel.center[axis] + half, imageBox.last[axis]);
    const double   needed = std::ceil((last - first) / panel.pixel - 1e-6);
    if (needed > 0.0 && needed < count && smallest < count)
    {
      panel.center[axis] = 0.5 * (first + last);
      count = std::max(smallest, static_cast<unsigned int>(needed));
    }
  }
}

/** One panel with a box in the plane of the first two axes, its longer side as long as given. */
Panel
MakeFlatPanel(const Vector3 & center, double width, double height, unsigned int longer)
{
  Panel panel;
  panel.center = center;
  panel.columnAxis = 0;
  panel.rowAxis = 1;
  panel.rowSign = 1.0;
  panel.pixel = std::max(width, height) / longer;
  panel.width = std::max(1u, static_cast<unsigned int>(std::lround(width / panel.pixel)));
  panel.height = std::max(1u, static_cast<unsigned int>(std::lround(height / panel.pixel)));
  panel.leftLetter = '\0';
  panel.topLetter = '\0';
  return panel;
}

/** Text of letters that there are glyphs for. */
std::string
ToGlyphs(const std::string & text)
{
  std::string result;
  for (const char letter : text)
  {
    // Of a character of several bytes the first one stands for all.
    if ((static_cast<unsigned char>(letter) & 0xC0) != 0x80)
    {
      result += letter == ' ' || glyphs.find(letter) != glyphs.end() ? letter : '?';
    }
  }
  return result;
}

/** Adds lines at the bottom with a square and the name of each label that was painted. */
void
DrawLegend(Canvas & canvas, const LabelTable & table, const std::set<int> & seen)
{
  constexpr unsigned int square = 7 * textScale;
  constexpr unsigned int indent = 2 * gap;
  unsigned int           x = canvas.GetWidth();
  unsigned int           y = 0;
  for (const auto & label : table)
  {
    if (seen.find(label.value) == seen.end())
    {
      continue;
    }
    const std::string name = ToGlyphs(label.name);
    const auto        length = static_cast<unsigned int>(square + glyphWidth / 2 + name.size() * glyphWidth);
    if (x > indent && x + length > canvas.GetWidth())
    {
      x = indent;
      y = canvas.GetHeight() + gap;
      canvas.Extend(glyphHeight + 2 * gap);
    }
    canvas.FillRectangle(static_cast<int>(x), static_cast<int>(y), square, square, label.color);
    canvas.DrawText(static_cast<int>(x + square + glyphWidth / 2), static_cast<int>(y), name, ink);
    x += length + 2 * glyphWidth;
  }
}

/** A row of panels: those of a view, and perhaps an overview of it. */
struct Row
{
  std::vector<Panel> view;
  std::vector<Panel> overview;
};

/** Puts the panels of a row side by side, from the given corner, and answers the size. Flat coronal and sagittal planes
 * share a column. */
std::pair<unsigned int, unsigned int>
Arrange(Row & row, unsigned int left, unsigned int top)
{
  std::vector<std::vector<Panel *>> columns;
  unsigned int                      height = 0;
  for (auto * panels : { &row.view, &row.overview })
  {
    for (auto & panel : *panels)
    {
      height = std::max(height, panel.height);
      columns.push_back({ &panel });
    }
  }
  if (row.view.size() == 3 && row.view[1].height + gap + row.view[2].height <= row.view[0].height)
  {
    columns[1].push_back(&row.view[2]);
    columns.erase(columns.begin() + 2);
  }
  unsigned int x = left;
  for (const auto & column : columns)
  {
    unsigned int width = 0;
    unsigned int filled = gap * static_cast<unsigned int>(column.size() - 1);
    for (const auto * panel : column)
    {
      width = std::max(width, panel->width);
      filled += panel->height;
    }
    unsigned int y = top + (height - filled) / 2;
    for (auto * panel : column)
    {
      panel->x = static_cast<int>(x + (width - panel->width) / 2);
      panel->y = static_cast<int>(y);
      y += panel->height + gap;
    }
    x += width + gap;
  }
  return { x - gap - left, height };
}
} // namespace

template <typename TLabelImage>
PreviewImage::Pointer
MakePreview(const itk::Image<float, TLabelImage::ImageDimension> * image,
            const TLabelImage *                                    labels,
            const LabelTable &                                     table,
            const std::vector<Region> &                            regions,
            const PreviewOptions &                                 options,
            const TLabelImage *                                    focus)
{
  constexpr unsigned int Dimension = TLabelImage::ImageDimension;
  if (image->GetBufferedRegion().GetNumberOfPixels() == 0 || labels->GetBufferedRegion().GetNumberOfPixels() == 0)
  {
    throw Error("preview: an image without pixels, expected an image and its labels");
  }
  if (options.panelSize < 16 || options.panelSize > 4096)
  {
    throw Error("preview: panels of " + std::to_string(options.panelSize) + " pixels, expected 16 to 4096");
  }
  const LabelTable     drawnTable = table.empty() ? MakeLabelTable(FindLabels(labels)) : table;
  std::set<int>        drawn;
  std::map<int, Color> colors;
  for (const auto & label : drawnTable)
  {
    if (label.value != 0)
    {
      drawn.insert(label.value);
      colors[label.value] = label.color;
    }
  }

  const Box    imageBox = GetImageBox<Dimension>(image);
  const auto   extents = FindExtents(focus != nullptr ? focus : labels, drawn, regions);
  Box          labelBox = focus != nullptr ? FindExtents(labels, drawn, {})[0].box : extents[0].box;
  const double reach = 4.0 * *std::max_element(labels->GetSpacing().Begin(), labels->GetSpacing().End());
  for (unsigned int d = 0; d < 3; ++d)
  {
    labelBox.first[d] -= reach;
    labelBox.last[d] += reach;
  }
  unsigned int     width = 0;
  unsigned int     height = gap;
  std::vector<Row> rows;
  for (std::size_t i = 0; i < std::max<std::size_t>(regions.size(), 1); ++i)
  {
    const Extent & extent = extents[regions.empty() ? 0 : i + 1];
    Box            view = imageBox;
    if (!regions.empty())
    {
      for (unsigned int d = 0; d < 3; ++d)
      {
        view.first[d] = regions[i].center[d] - 0.5 * regions[i].size[d];
        view.last[d] = regions[i].center[d] + 0.5 * regions[i].size[d];
      }
    }
    else if (Dimension == 3 && extent.count > 0.0)
    {
      view = extent.box;
    }
    double longest = 0.0;
    for (unsigned int d = 0; d < Dimension; ++d)
    {
      longest = std::max(longest, view.GetExtent(d));
    }
    const double around = regions.empty() && Dimension == 2 ? 0.0 : options.margin * longest;

    Row row;
    if (Dimension == 2)
    {
      row.view.push_back(MakeFlatPanel(view.GetCenter(),
                                       view.GetExtent(0) + 2.0 * around,
                                       view.GetExtent(1) + 2.0 * around,
                                       options.panelSize * 3 / 2));
    }
    else
    {
      const double whole = std::max(imageBox.GetExtent(0), imageBox.GetExtent(1));
      const double smallest = 16.0 * *std::min_element(image->GetSpacing().Begin(), image->GetSpacing().End());
      double       length = std::max(longest + 2.0 * around, smallest);
      if (regions.empty())
      {
        length = std::min(length, std::max(whole, imageBox.GetExtent(2)));
      }
      const Vector3 through = SnapToPixel<Dimension>(image, extent.count > 0.0 ? extent.centroid : view.GetCenter());
      row.view = MakePlanes(view.GetCenter(), through, length, options.panelSize);
      if (options.context && length < 0.75 * whole)
      {
        Vector3 center = imageBox.GetCenter();
        center[2] = through[2];
        row.overview.push_back(MakePlanes(center, center, whole, options.panelSize).front());
      }
    }
    for (auto * panels : { &row.view, &row.overview })
    {
      for (auto & panel : *panels)
      {
        Clip(panel, imageBox);
      }
    }
    const auto size = Arrange(row, gap, height);
    width = std::max(width, size.first + 2 * gap);
    height += size.second + gap;
    rows.push_back(row);
  }

  Canvas        canvas(width, height);
  std::set<int> seen;
  for (const auto & row : rows)
  {
    for (const auto * panels : { &row.view, &row.overview })
    {
      std::vector<Rendering> renderings;
      for (const auto & panel : *panels)
      {
        renderings.push_back(Render(panel, image, labels, drawn, labelBox));
      }
      const auto         window = FindWindow(renderings, *panels);
      const unsigned int lineWidth = panels == &row.view ? options.outlineWidth : (options.outlineWidth + 1) / 2;
      for (std::size_t i = 0; i < panels->size(); ++i)
      {
        const Panel & panel = (*panels)[i];
        Paint(canvas, panel, renderings[i], window.first, window.second, colors, lineWidth, seen);
        if (panels == &row.overview)
        {
          const Panel & shown = row.view.front();
          const auto    first = panel.GetPixel(shown.GetPosition(-0.5, -0.5));
          const auto    last = panel.GetPixel(shown.GetPosition(shown.width - 0.5, shown.height - 0.5));
          canvas.DrawFrame(panel.x + static_cast<int>(std::lround(first.first)),
                           panel.y + static_cast<int>(std::lround(first.second)),
                           static_cast<int>(std::lround(last.first - first.first)),
                           static_cast<int>(std::lround(last.second - first.second)),
                           ink);
        }
        if (options.annotations && panel.leftLetter != '\0')
        {
          canvas.DrawTextOnImage(panel.x + static_cast<int>(2 * gap),
                                 panel.y + static_cast<int>(panel.height - 7 * textScale) / 2,
                                 { panel.leftLetter });
          if (panel.height > 6 * glyphHeight)
          {
            canvas.DrawTextOnImage(panel.x + static_cast<int>(panel.width - 5 * textScale) / 2,
                                   panel.y + static_cast<int>(2 * gap),
                                   { panel.topLetter });
          }
        }
      }
    }
  }
  if (options.annotations)
  {
    DrawLegend(canvas, drawnTable, seen);
  }
  return canvas.ToImage();
}

void
WritePreview(const PreviewImage * picture, const std::string & path)
{
  auto writer = itk::ImageFileWriter<PreviewImage>::New();
  writer->SetInput(picture);
  writer->SetFileName(path);
  writer->SetImageIO(itk::PNGImageIO::New());
  try
  {
    writer->Update();
  }
  catch (const itk::ExceptionObject & exception)
  {
    throw Error(path + ": cannot be written: " + ToOneLine(exception.GetDescription()));
  }
}

#define SAM_INSTANTIATE(pixel, dimension)                                          \
  template PreviewImage::Pointer MakePreview(const itk::Image<float, dimension> *, \
                                             const itk::Image<pixel, dimension> *, \
                                             const LabelTable &,                   \
                                             const std::vector<Region> &,          \
                                             const PreviewOptions &,               \
                                             const itk::Image<pixel, dimension> *)
SAM_FOR_EACH_LABEL_IMAGE(SAM_INSTANTIATE);
#undef SAM_INSTANTIATE
} // namespace sam
