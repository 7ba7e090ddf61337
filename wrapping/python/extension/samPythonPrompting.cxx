// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPythonFilters.h"

#include "samPythonImage.h"
#include "samPythonModel.h"
#include "samPythonProcess.h"

#include "samPromptList.h"

#include "itkSamPromptedSegmentationImageFilter.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <tuple>
#include <vector>

namespace sam
{
namespace
{
struct PromptingOptions
{
  unsigned int                                                                    axis;
  std::vector<double>                                                             window;
  std::vector<std::tuple<std::vector<double>, bool, unsigned int>>                points;
  std::vector<std::tuple<std::vector<double>, std::vector<double>, unsigned int>> boxes;
  const PythonImage *                                                             mask; ///< null: none
  const PythonImage *                                                             logits;
  const PythonImage *                                                             embedding;
  bool                                                                            multimask;
  bool                                                                            hqTokenOnly;
  unsigned int                                                                    cacheSize;
};

/** object, slice, mask, score, is_chosen */
using Score = std::tuple<unsigned int, itk::IndexValueType, unsigned int, float, bool>;

/** \class PromptedFilter
 * \brief A filter with its last image, whatever their type.
 */
class PromptedFilter
{
public:
  virtual ~PromptedFilter() = default;

  virtual PythonResult
  Run(PythonProcess & process, const PythonModel & model, const PromptingOptions & options) = 0;
  virtual std::vector<Score>
  GetScores() const = 0;
  virtual PythonResult
  GetMasks() const = 0;
  virtual PythonResult
  GetLogits() const = 0;
  virtual itk::SizeValueType
  GetNumberOfEncodedSlices() const = 0;
};

template <typename TImage>
class PromptedFilterOf : public PromptedFilter
{
public:
  static constexpr unsigned int Dimension = TImage::ImageDimension;
  using LabelImageType = itk::Image<unsigned short, Dimension>;
  using FilterType = itk::SamPromptedSegmentationImageFilter<TImage, LabelImageType>;

  explicit PromptedFilterOf(TImage * image)
    : m_Image(image)
  {
    m_Filter->SetInput(m_Image);
  }

  /** Whether \a image lies on the grid of the last one. Then its buffer takes the place of the last one's, which holds
   * the same numbers: the embeddings that were kept stay valid. */
  bool
  Continue(const TImage * image)
  {
    if (m_Image->GetLargestPossibleRegion() != image->GetLargestPossibleRegion() ||
        m_Image->GetNumberOfComponentsPerPixel() != image->GetNumberOfComponentsPerPixel() ||
        m_Image->GetOrigin() != image->GetOrigin() || m_Image->GetSpacing() != image->GetSpacing() ||
        m_Image->GetDirection() != image->GetDirection())
    {
      return false;
    }
    m_Image->GetPixelContainer()->SetImportPointer(
      const_cast<TImage *>(image)->GetBufferPointer(), image->GetPixelContainer()->Size(), false);
    return true;
  }

  PythonResult
  Run(PythonProcess & process, const PythonModel & model, const PromptingOptions & options) override
  {
    using PointType = typename FilterType::PointType;
    m_Filter->SetModel(model.model);
    m_Filter->SetAxis(options.axis);
    m_Filter->SetMultimask(options.multimask);
    m_Filter->SetHqTokenOnly(options.hqTokenOnly);
    m_Filter->SetCacheSize(options.cacheSize);
    m_Filter->ClearWindow();
    if (!options.window.empty())
    {
      m_Filter->SetWindow(options.window.at(0), options.window.at(1));
    }
    m_Filter->ClearPrompts();
    for (const auto & [point, isForeground, object] : options.points)
    {
      m_Filter->AddPoint(MakePoint<PointType>(point, "point"), isForeground, object);
    }
    for (const auto & [corner, opposite, object] : options.boxes)
    {
      m_Filter->AddBox(
        MakePoint<PointType>(corner, "corner of the box"), MakePoint<PointType>(opposite, "corner of the box"), object);
    }
    typename LabelImageType::Pointer                     mask;
    typename itk::VectorImage<float, Dimension>::Pointer logits;
    typename itk::VectorImage<float, Dimension>::Pointer embedding;
    if (options.mask != nullptr)
    {
      mask = ImportScalar<unsigned short, Dimension>(*options.mask, "mask prompt");
    }
    if (options.logits != nullptr)
    {
      logits = ImportVector(*options.logits, "logits");
    }
    if (options.embedding != nullptr)
    {
      embedding = ImportVector(*options.embedding, "embedding");
    }
    m_Filter->SetMaskPrompt(mask);
    m_Filter->SetLogitsPrompt(logits);
    m_Filter->SetEmbedding(embedding);
    process.Run(m_Filter);
    const typename LabelImageType::Pointer output = m_Filter->GetOutput();
    output->DisconnectPipeline(); // the next run does not write into this one's label map
    return MakeResult(output.GetPointer());
  }

  std::vector<Score>
  GetScores() const override
  {
    std::vector<Score> scores;
    for (const auto & score : m_Filter->GetScores())
    {
      scores.emplace_back(score.object, score.slice, score.mask, score.score, score.isChosen);
    }
    return scores;
  }

  PythonResult
  GetMasks() const override
  {
    return MakeResult(m_Filter->GetMasks().GetPointer());
  }

  PythonResult
  GetLogits() const override
  {
    return MakeResult(m_Filter->GetLogits().GetPointer());
  }

  itk::SizeValueType
  GetNumberOfEncodedSlices() const override
  {
    return m_Filter->GetNumberOfEncodedSlices();
  }

private:
  static typename itk::VectorImage<float, Dimension>::Pointer
  ImportVector(const PythonImage & image, const std::string & what)
  {
    if (image.GetDimension() != Dimension || image.array.dtype() != nanobind::dtype<float>())
    {
      throw Error(what + ": expected a vector image of " + std::to_string(Dimension) + " dimensions, float32");
    }
    return Import<float, Dimension>(image);
  }

  typename TImage::Pointer     m_Image;
  typename FilterType::Pointer m_Filter{ FilterType::New() };
};

/** \class PythonPromptedFilter
 * \brief What Python holds: it may come back with the same image, or with another one.
 */
class PythonPromptedFilter
{
public:
  nanobind::tuple
  Run(PythonProcess &          process,
      const PythonImage &      image,
      bool                     isSame,
      const PythonModel &      model,
      const PromptingOptions & options)
  {
    const auto result = WithoutLock([&] {
      VisitImage(image, [&](const auto & input) {
        using FilterType = PromptedFilterOf<std::decay_t<decltype(*input)>>;
        auto * const last = dynamic_cast<FilterType *>(m_Filter.get());
        if (!isSame || last == nullptr || !last->Continue(input))
        {
          m_Filter = std::make_unique<FilterType>(input);
        }
        return 0;
      });
      return m_Filter->Run(process, model, options);
    });
    return result.ToPython();
  }

  const PromptedFilter &
  GetFilter() const
  {
    if (!m_Filter)
    {
      throw Error("nothing was segmented yet, expected Execute() before");
    }
    return *m_Filter;
  }

private:
  std::unique_ptr<PromptedFilter> m_Filter;
};

/** Points and boxes of a file for an image, and lines about what was left out. */
std::tuple<decltype(PromptingOptions::points), decltype(PromptingOptions::boxes), std::vector<std::string>>
ReadPrompts(const std::string & path, const PythonImage & image)
{
  const unsigned int  dimension = image.GetDimension();
  std::vector<size_t> size;
  for (unsigned int i = 0; i < dimension; ++i)
  {
    size.push_back(image.array.shape(dimension - 1 - i));
  }
  const auto toPhysical = [&](const std::vector<double> & index) {
    std::vector<double> point = image.origin;
    for (unsigned int i = 0; i < dimension; ++i)
    {
      for (unsigned int j = 0; j < dimension; ++j)
      {
        point[i] += image.direction[i * dimension + j] * image.spacing[j] * index[j];
      }
    }
    return point;
  };
  return WithoutLock([&] {
    PromptList list;
    list.AddFile(path, dimension, size, toPhysical);
    decltype(PromptingOptions::points) points;
    decltype(PromptingOptions::boxes)  boxes;
    for (const auto & point : list.points)
    {
      points.emplace_back(point.position, point.isForeground, point.object);
    }
    for (const auto & box : list.boxes)
    {
      boxes.emplace_back(box.corner, box.oppositeCorner, box.object);
    }
    return std::make_tuple(points, boxes, list.notices);
  });
}
} // namespace

void
BindPrompting(nanobind::module_ & module)
{
  namespace nb = nanobind;
  nb::class_<PythonPromptedFilter>(module, "PromptedFilter", "Keeps the embedding of the last image.")
    .def(nb::init<>())
    .def(
      "run",
      [](PythonPromptedFilter &                     self,
         PythonProcess &                            process,
         const PythonImage &                        image,
         bool                                       isSame,
         const PythonModel &                        model,
         unsigned int                               axis,
         const std::vector<double> &                window,
         const decltype(PromptingOptions::points) & points,
         const decltype(PromptingOptions::boxes) &  boxes,
         const PythonImage *                        mask,
         const PythonImage *                        logits,
         const PythonImage *                        embedding,
         bool                                       multimask,
         bool                                       hqTokenOnly,
         unsigned int                               cacheSize) {
        return self.Run(process,
                        image,
                        isSame,
                        model,
                        { axis, window, points, boxes, mask, logits, embedding, multimask, hqTokenOnly, cacheSize });
      },
      nb::arg("process"),
      nb::arg("image"),
      nb::arg("is_same"),
      nb::arg("model"),
      nb::arg("axis"),
      nb::arg("window"),
      nb::arg("points"),
      nb::arg("boxes"),
      nb::arg("mask").none(),
      nb::arg("logits").none(),
      nb::arg("embedding").none(),
      nb::arg("multimask"),
      nb::arg("hq_token_only"),
      nb::arg("cache_size"))
    .def("scores", [](const PythonPromptedFilter & self) { return self.GetFilter().GetScores(); })
    .def("masks",
         [](const PythonPromptedFilter & self) {
           return WithoutLock([&self] { return self.GetFilter().GetMasks(); }).ToPython();
         })
    .def("logits",
         [](const PythonPromptedFilter & self) {
           return WithoutLock([&self] { return self.GetFilter().GetLogits(); }).ToPython();
         })
    .def_prop_ro("encoded_slices",
                 [](const PythonPromptedFilter & self) { return self.GetFilter().GetNumberOfEncodedSlices(); });
  module.def("read_prompts",
             &ReadPrompts,
             nb::arg("path"),
             nb::arg("image"),
             "Points and boxes of a file for an image, as sam-prompt --prompts reads them, and what was left out.");
}
} // namespace sam
