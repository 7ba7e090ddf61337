// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPythonFilters.h"

#include "samPythonImage.h"
#include "samPythonModel.h"
#include "samPythonProcess.h"
#include "samPythonRegion.h"

#include "itkSamAutoPromptImageFilter.h"
#include "itkSamMaskClassificationImageFilter.h"
#include "itkSamPrototypePromptImageFilter.h"
#include "itkSamSegmentationImageFilter.h"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace sam
{
namespace
{
template <unsigned int VDimension>
using StageImage = itk::VectorImage<float, VDimension>;

using Numbers = std::vector<double>;

/** What flows between two stages, as an image of ITK. \throws Error naming \a what when it is something else. */
template <unsigned int VDimension>
typename StageImage<VDimension>::Pointer
ImportStage(const PythonImage & image, const std::string & what)
{
  if (image.GetDimension() != VDimension || image.array.dtype() != nanobind::dtype<float>())
  {
    throw Error(what + ": expected a vector image of " + std::to_string(VDimension) +
                " dimensions, float32: what another stage answered");
  }
  return Import<float, VDimension>(image);
}

/** Call \a action with the dimension of an image as a constant. */
template <typename TAction>
auto
WithDimension(const PythonImage & image, const TAction & action)
{
  return image.GetDimension() == 2 ? action(std::integral_constant<unsigned int, 2>())
                                   : action(std::integral_constant<unsigned int, 3>());
}

template <typename T>
using Array = nanobind::ndarray<nanobind::numpy, T>;

/** An array that owns its numbers. Needs the interpreter. */
template <typename T>
Array<T>
ToArray(std::vector<T> values, const std::vector<size_t> & shape)
{
  auto * const      owned = new std::vector<T>(std::move(values));
  nanobind::capsule keeper(owned, [](void * pointer) noexcept { delete static_cast<std::vector<T> *>(pointer); });
  return Array<T>(owned->data(), shape.size(), shape.data(), keeper);
}

/** \class PythonPrompts
 * \brief The prompts of an embedding, held by Python.
 */
class PythonPrompts
{
public:
  using ImageType = std::variant<itk::SamPromptImage<2>::Pointer, itk::SamPromptImage<3>::Pointer>;

  explicit PythonPrompts(ImageType image)
    : m_Image(std::move(image))
  {}

  /** Those that were generated from an embedding of this dimension. \throws Error when it is another one. */
  template <unsigned int VDimension>
  itk::SamPromptImage<VDimension> *
  Get() const
  {
    const auto * image = std::get_if<typename itk::SamPromptImage<VDimension>::Pointer>(&m_Image);
    if (image == nullptr)
    {
      throw Error("the prompts do not belong to the embedding, which has " + std::to_string(VDimension) +
                  " dimensions");
    }
    return image->GetPointer();
  }

  static PythonPrompts
  Read(const std::string & path)
  {
    itk::SamGrid grid;
    itk::ReadSamPrompts(path, grid);
    return grid.dimension == 2 ? PythonPrompts(itk::SamPromptImage<2>::Read(path))
                               : PythonPrompts(itk::SamPromptImage<3>::Read(path));
  }

  void
  Write(const std::string & path) const
  {
    std::visit([&path](const auto & image) { image->Write(path); }, m_Image);
  }

  unsigned int
  GetNumberOfQueries() const
  {
    return std::visit([](const auto & image) { return image->GetNumberOfQueries(); }, m_Image);
  }

  /** Logits on the grid of the image's voxels, one component for each query. */
  PythonResult
  GetMasks() const
  {
    return std::visit(
      [](const auto & image) {
        constexpr unsigned int dimension = std::decay_t<decltype(*image)>::ImageDimension;
        image->Update(); // pixels of what was read are not there before somebody asks for them
        return MakeResult<StageImage<dimension>>(image);
      },
      m_Image);
  }

  /** Slices × queries × 2 corners × coordinates, mm. */
  std::pair<std::vector<double>, std::vector<size_t>>
  GetBoxes() const
  {
    return std::visit(
      [](const auto & image) {
        constexpr size_t    dimension = std::decay_t<decltype(*image)>::ImageDimension;
        const auto          sizes = image->GetPrompts().boxes.GetSizes();
        const auto          slices = static_cast<unsigned int>(sizes[0]);
        const auto          queries = static_cast<unsigned int>(sizes[1]);
        std::vector<double> values;
        for (unsigned int slice = 0; slice < slices; ++slice)
        {
          for (unsigned int query = 0; query < queries; ++query)
          {
            const auto [lower, upper] = image->GetBox(slice, query);
            values.insert(values.end(), lower.Begin(), lower.End());
            values.insert(values.end(), upper.Begin(), upper.End());
          }
        }
        return std::make_pair(values, std::vector<size_t>{ slices, queries, 2, dimension });
      },
      m_Image);
  }

  /** Slices × queries × channels. */
  std::pair<std::vector<float>, std::vector<size_t>>
  GetClassTokens() const
  {
    const auto tokens = std::visit([](const auto & image) { return image->GetPrompts().classTokens; }, m_Image);
    const auto sizes = tokens.GetSizes();
    const std::vector<size_t> shape(sizes.begin(), sizes.end());
    std::vector<float>        values(shape[0] * shape[1] * shape[2]);
    tokens.CopyToHost(values.data());
    return { values, shape };
  }

private:
  ImageType m_Image;
};

PythonPrompts
AutoPrompt(PythonProcess & process, const PythonImage & embedding, const PythonModel & model)
{
  return WithoutLock([&] {
    return WithDimension(embedding, [&](const auto & dimension) {
      constexpr unsigned int D = std::decay_t<decltype(dimension)>::value;
      const auto             filter = itk::SamAutoPromptImageFilter<StageImage<D>>::New();
      filter->SetInput(ImportStage<D>(embedding, "embedding"));
      filter->SetModel(model.model);
      process.Run(filter);
      const typename itk::SamPromptImage<D>::Pointer output = filter->GetOutput();
      output->DisconnectPipeline();
      return PythonPrompts(output);
    });
  });
}

/** The dense prompt, the similarity, and of each slice the shares of the prototypes. */
std::tuple<nanobind::tuple, nanobind::tuple, std::vector<std::vector<float>>>
PrototypePrompt(PythonProcess & process, const PythonImage & embedding, const PythonModel & model)
{
  const auto [prompt, similarity, addresses] = WithoutLock([&] {
    return WithDimension(embedding, [&](const auto & dimension) {
      constexpr unsigned int D = std::decay_t<decltype(dimension)>::value;
      const auto             filter = itk::SamPrototypePromptImageFilter<StageImage<D>>::New();
      filter->SetInput(ImportStage<D>(embedding, "embedding"));
      filter->SetModel(model.model);
      process.Run(filter);
      return std::make_tuple(
        MakeResult<StageImage<D>>(filter->GetOutput()), MakeResult(filter->GetSimilarity()), filter->GetAddresses());
    });
  });
  return { prompt.ToPython(), similarity.ToPython(), addresses };
}

nanobind::tuple
Classify(PythonProcess &       process,
         const PythonImage &   embedding,
         const PythonModel &   model,
         const PythonPrompts * prompts,
         const PythonImage *   densePrompt)
{
  return WithoutLock([&] {
           return WithDimension(embedding, [&](const auto & dimension) {
             constexpr unsigned int D = std::decay_t<decltype(dimension)>::value;
             const auto             filter = itk::SamMaskClassificationImageFilter<StageImage<D>>::New();
             filter->SetInput(ImportStage<D>(embedding, "embedding"));
             filter->SetModel(model.model);
             if (prompts != nullptr)
             {
               filter->SetPrompts(prompts->Get<D>());
             }
             if (densePrompt != nullptr)
             {
               filter->SetDensePrompt(ImportStage<D>(*densePrompt, "dense prompt"));
             }
             process.Run(filter);
             return MakeResult<StageImage<D>>(filter->GetOutput());
           });
         })
    .ToPython();
}

/** The probabilities that \a function answers for a window, which may be padded to whole tokens. */
template <unsigned int VDimension>
itk::SamTensor
CallWindowFunction(const nanobind::callable & function,
                   size_t                     number,
                   const itk::SamGrid &       window,
                   const PythonModel &        model)
{
  Numbers    size;
  Numbers    spacing;
  Numbers    origin;
  Numbers    direction;
  const auto first = window.ToPhysical({ { static_cast<double>(window.box.start[0]),
                                           static_cast<double>(window.box.start[1]),
                                           static_cast<double>(window.box.start[2]) } });
  for (unsigned int i = 0; i < VDimension; ++i)
  {
    size.push_back(static_cast<double>(window.box.size[i]));
    spacing.push_back(window.spacing[i]);
    origin.push_back(first[i]);
    direction.insert(direction.end(), window.direction[i].begin(), window.direction[i].begin() + VDimension);
  }
  const nanobind::gil_scoped_acquire locked;
  const nanobind::object             answer = function(number, size, spacing, origin, direction);
  const nanobind::object             held = answer.attr("image");
  const auto image = ImportStage<VDimension>(nanobind::cast<const PythonImage &>(held), "answer for a window");

  const auto found = itk::SamGrid::FromImage<VDimension>(image.GetPointer());
  const auto patch = model.model->GetPatchSize();
  auto       expected = window.ToTokens(patch).ToVoxels(patch);
  if (found.box.size == window.box.size)
  {
    expected.box.size = window.box.size;
  }
  found.CheckSame(expected, "the answer for a window does not lie on it");
  if (image->GetNumberOfComponentsPerPixel() != model.model->GetNumberOfLabels())
  {
    throw Error("the answer for a window has " + std::to_string(image->GetNumberOfComponentsPerPixel()) +
                " components, expected the probabilities of " + std::to_string(model.model->GetNumberOfLabels()) +
                " labels");
  }
  return itk::SamTensorImage<VDimension>::TensorOf(image);
}

/** The label map on the grid of an image whose windows a function answers for, and their number. Pixels, float32, are
 * looked at when the model leaves a frame out. */
std::pair<nanobind::tuple, size_t>
SegmentWindows(PythonProcess &                   process,
               const PythonImage &               image,
               const PythonModel &               model,
               const nanobind::callable &        function,
               const std::vector<PythonRegion> & regions)
{
  size_t     windows = 0;
  const auto result = WithoutLock([&] {
    return WithDimension(image, [&](const auto & dimension) {
      constexpr unsigned int D = std::decay_t<decltype(dimension)>::value;
      const auto filter = itk::SamSegmentationImageFilter<StageImage<D>, itk::Image<unsigned short, D>>::New();
      if (model.model->RemovesFrame())
      {
        filter->SetInput(ImportStage<D>(image, "image")); // the frame is found in the pixels
      }
      else
      {
        const auto grid = StageImage<D>::New();
        CopyGeometry(image, grid.GetPointer());
        grid->SetVectorLength(static_cast<unsigned int>(model.model->GetChannels().size()));
        filter->SetInput(grid);
      }
      filter->SetModel(model.model);
      AddRegions(filter.GetPointer(), regions);
      filter->SetWindowFunction(
        [&](const itk::SamGrid & window) { return CallWindowFunction<D>(function, windows++, window, model); });
      process.Run(filter);
      return MakeResult(filter->GetOutput());
    });
  });
  return { result.ToPython(), windows };
}
} // namespace

void
BindPrompts(nanobind::module_ & module)
{
  namespace nb = nanobind;
  nb::class_<PythonPrompts>(module, "Prompts", "The prompts of an embedding: masks, boxes, class tokens.")
    .def_static(
      "read",
      [](const std::string & path) { return WithoutLock([&path] { return PythonPrompts::Read(path); }); },
      nb::arg("path"))
    .def(
      "write",
      [](const PythonPrompts & self, const std::string & path) {
        WithoutLock([&] {
          self.Write(path);
          return 0;
        });
      },
      nb::arg("path"))
    .def_prop_ro("queries", &PythonPrompts::GetNumberOfQueries)
    .def("masks",
         [](const PythonPrompts & self) { return WithoutLock([&self] { return self.GetMasks(); }).ToPython(); })
    .def("boxes",
         [](const PythonPrompts & self) {
           auto [values, shape] = WithoutLock([&self] { return self.GetBoxes(); });
           return ToArray(std::move(values), shape);
         })
    .def("class_tokens", [](const PythonPrompts & self) {
      auto [values, shape] = WithoutLock([&self] { return self.GetClassTokens(); });
      return ToArray(std::move(values), shape);
    });
  module.def("auto_prompt", &AutoPrompt, nb::arg("process"), nb::arg("embedding"), nb::arg("model"));
  module.def("prototype_prompt", &PrototypePrompt, nb::arg("process"), nb::arg("embedding"), nb::arg("model"));
  module.def("classify",
             &Classify,
             nb::arg("process"),
             nb::arg("embedding"),
             nb::arg("model"),
             nb::arg("prompts").none(),
             nb::arg("dense_prompt").none());
  module.def("segment_windows",
             &SegmentWindows,
             nb::arg("process"),
             nb::arg("image"),
             nb::arg("model"),
             nb::arg("function"),
             nb::arg("regions"),
             "The label map of 16 bits, and the number of windows.");
}
} // namespace sam
