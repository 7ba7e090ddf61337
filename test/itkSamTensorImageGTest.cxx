// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamTensorImage.h"

#include "itkSamTestImage.h"

#include "itkAddImageFilter.h"
#include "itkVectorIndexSelectionCastImageFilter.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace
{
using ImageType = itk::SamTensorImage<3>;
using ScalarImageType = itk::Image<float, 3>;
using SelectType = itk::VectorIndexSelectionCastImageFilter<itk::VectorImage<float, 3>, ScalarImageType>;

const std::vector<int64_t> sizes{ 2, 3, 4, 5 };

std::vector<float>
MakeValues(float first = 0.0f)
{
  std::vector<float> values(2 * 3 * 4 * 5);
  for (float & value : values)
  {
    value = first++;
  }
  return values;
}

ImageType::Pointer
MakeImage(float first = 0.0f)
{
  auto image = ImageType::New();
  image->SetRegions(ImageType::SizeType{ { 5, 4, 3 } });
  image->SetTensor(itk::SamTensor::FromHost(MakeValues(first).data(), sizes));
  return image;
}

/** Makes tensors: a stage without a network. */
class Source : public itk::ImageSource<ImageType>
{
public:
  using Self = Source;
  using Pointer = itk::SmartPointer<Self>;
  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(Source);

  float        first{ 0.0f };
  unsigned int runs{ 0 };

protected:
  void
  GenerateOutputInformation() override
  {
    this->GetOutput()->SetLargestPossibleRegion(ImageType::RegionType(ImageType::SizeType{ { 5, 4, 3 } }));
    this->GetOutput()->SetNumberOfComponentsPerPixel(2);
  }
  void
  GenerateData() override
  {
    ++runs;
    this->GetOutput()->SetBufferedRegion(this->GetOutput()->GetLargestPossibleRegion());
    this->GetOutput()->SetTensor(itk::SamTensor::FromHost(MakeValues(first).data(), sizes));
  }
};

/** Reads the tensor: a consumer that wants no pixels. */
class Sink : public itk::ImageToImageFilter<itk::VectorImage<float, 3>, ImageType>
{
public:
  using Self = Sink;
  using Superclass = itk::ImageToImageFilter<itk::VectorImage<float, 3>, ImageType>;
  using Pointer = itk::SmartPointer<Self>;
  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(Sink);

  unsigned int runs{ 0 };

protected:
  void
  GenerateInputRequestedRegion() override
  {
    Superclass::GenerateInputRequestedRegion();
    ImageType::DeferPixelsOf(this->GetInput());
  }
  void
  GenerateData() override
  {
    ++runs;
    this->GetOutput()->SetBufferedRegion(this->GetOutput()->GetLargestPossibleRegion());
    this->GetOutput()->SetTensor(ImageType::TensorOf(this->GetInput()));
  }
};
} // namespace

TEST(SamTensorImage, PixelsAreTheTensorsChannels)
{
  const auto image = MakeImage();
  EXPECT_EQ(image->GetNumberOfComponentsPerPixel(), 2u);
  image->Update();
  const auto pixel = image->GetPixel({ { 4, 2, 1 } });
  EXPECT_EQ(pixel[0], 1 * 20 + 2 * 5 + 4);
  EXPECT_EQ(pixel[1], 60 + 1 * 20 + 2 * 5 + 4);
}

TEST(SamTensorImage, TensorComesFromPixels)
{
  auto plain = itk::VectorImage<float, 3>::New();
  plain->SetRegions(ImageType::SizeType{ { 5, 4, 3 } });
  plain->SetVectorLength(2);
  plain->Allocate();
  const auto values = MakeValues();
  std::copy(values.begin(), values.end(), plain->GetBufferPointer());
  const auto tensor = ImageType::TensorOf(plain);
  EXPECT_EQ(tensor.GetSizes(), sizes);
  std::vector<float> found(values.size());
  tensor.CopyToHost(found.data());
  EXPECT_EQ(found[1 * 60 + 2 * 20 + 3 * 5 + 4], plain->GetPixel({ { 4, 3, 2 } })[1]);

  auto pixel = plain->GetPixel({ { 1, 2, 0 } });
  pixel[1] = std::numeric_limits<float>::quiet_NaN();
  plain->SetPixel({ { 1, 2, 0 } }, pixel);
  EXPECT_THROW(ImageType::TensorOf(plain), itk::ExceptionObject);
}

TEST(SamTensorImage, RefusesTensorsOfAnotherSize)
{
  const auto image = MakeImage();
  const auto values = MakeValues();
  EXPECT_THROW(image->SetTensor(itk::SamTensor::FromHost(values.data(), { 2, 3, 5, 4 })), itk::ExceptionObject);
  EXPECT_THROW(image->SetTensor(itk::SamTensor::FromHost(values.data(), { 120 })), itk::ExceptionObject);
  EXPECT_THROW(ImageType::New()->GetTensor(), itk::ExceptionObject);
}

TEST(SamTensorImage, ConsumersOfTensorsCostNoTransfer)
{
  auto source = Source::New();
  auto first = Sink::New();
  first->SetInput(source->GetOutput());
  auto second = Sink::New();
  second->SetInput(first->GetOutput());
  const auto before = itk::SamTensor::GetNumberOfHostTransfers();
  second->GetOutput()->UpdateTensor();
  EXPECT_EQ(itk::SamTensor::GetNumberOfHostTransfers(), before);
  second->Update();
  EXPECT_EQ(itk::SamTensor::GetNumberOfHostTransfers(), before + 1);
  EXPECT_EQ(second->GetOutput()->GetPixel({ { 1, 0, 0 } })[1], 61.0f);
  second->Update();
  EXPECT_EQ(itk::SamTensor::GetNumberOfHostTransfers(), before + 1) << "filled twice";
  source->Update();
  EXPECT_EQ(itk::SamTensor::GetNumberOfHostTransfers(), before + 2);
  second->Update();
  EXPECT_EQ(source->runs, 1u);
  EXPECT_EQ(first->runs, 1u) << "filling pixels must not make consumers run again";
  EXPECT_EQ(second->runs, 1u);
}

TEST(SamTensorImage, OtherFiltersSeePixels)
{
  auto source = Source::New();
  auto sink = Sink::New();
  sink->SetInput(source->GetOutput());
  sink->GetOutput()->UpdateTensor();
  auto select = SelectType::New();
  select->SetInput(source->GetOutput());
  select->SetIndex(1);
  select->Update();
  EXPECT_EQ(select->GetOutput()->GetPixel({ { 2, 0, 0 } }), 62.0f);

  source->first = 1000.0f;
  source->Modified();
  sink->GetOutput()->UpdateTensor();
  select->Update();
  EXPECT_EQ(select->GetOutput()->GetPixel({ { 2, 0, 0 } }), 1062.0f) << "refilled after the tensor changed";
  EXPECT_EQ(source->runs, 2u);
}

TEST(SamTensorImage, BothKindsOfConsumerInOnePipeline)
{
  // A tensor's consumer must not take the pixels away from an ordinary one, in whichever order they come.
  for (const bool sinkFirst : { true, false })
  {
    auto source = Source::New();
    auto sink = Sink::New();
    sink->SetInput(source->GetOutput());
    auto direct = SelectType::New();
    direct->SetInput(source->GetOutput());
    direct->SetIndex(1);
    auto viaSink = SelectType::New();
    viaSink->SetInput(sink->GetOutput());
    viaSink->SetIndex(1);
    auto add = itk::AddImageFilter<ScalarImageType>::New();
    add->SetInput1(sinkFirst ? viaSink->GetOutput() : direct->GetOutput());
    add->SetInput2(sinkFirst ? direct->GetOutput() : viaSink->GetOutput());
    add->Update();
    EXPECT_EQ(add->GetOutput()->GetPixel({ { 3, 0, 0 } }), 126.0f);
    EXPECT_EQ(source->runs, 1u);
  }
}

TEST(SamTensorImage, GraftKeepsTheTensor)
{
  const auto image = MakeImage();
  auto       graft = ImageType::New();
  graft->Graft(image);
  EXPECT_EQ(graft->GetTensor().GetImplementation(), image->GetTensor().GetImplementation());
  graft->Update();
  EXPECT_EQ(graft->GetPixel({ { 1, 0, 0 } })[0], 1.0f);
  // Another tensor in one of them leaves the other alone.
  image->SetTensor(itk::SamTensor::FromHost(MakeValues(500.0f).data(), sizes));
  image->Update();
  EXPECT_EQ(image->GetPixel({ { 1, 0, 0 } })[0], 501.0f);
  EXPECT_EQ(graft->GetPixel({ { 1, 0, 0 } })[0], 1.0f);
}

// ITK grafts through pointers to base classes: a tensor from before must not stay.
TEST(SamTensorImage, GraftOfAnOrdinaryImageDropsTheTensor)
{
  const auto pixels = itk::VectorImage<float, 3>::New();
  pixels->SetRegions(ImageType::SizeType{ { 5, 4, 3 } });
  pixels->SetNumberOfComponentsPerPixel(2);
  pixels->Allocate();
  pixels->FillBuffer(itk::VariableLengthVector<float>(std::vector<float>{ 7.0f, 7.0f }.data(), 2));

  const auto asVectorImage = MakeImage();
  static_cast<itk::VectorImage<float, 3> *>(asVectorImage.GetPointer())->Graft(pixels.GetPointer());
  const auto asDataObject = MakeImage();
  static_cast<itk::DataObject *>(asDataObject.GetPointer())->Graft(pixels.GetPointer());
  for (const auto & image : { asVectorImage, asDataObject })
  {
    std::vector<float> found(120);
    image->GetTensor().CopyToHost(found.data());
    EXPECT_EQ(found, std::vector<float>(120, 7.0f));
  }
}

TEST(SamTensorImage, PixelsChangedByHandCountAfterTheTensorIsDropped)
{
  const auto image = MakeImage();
  image->Update();
  auto pixel = image->GetPixel({ { 0, 0, 0 } });
  pixel[0] = -8.0f;
  image->SetPixel({ { 0, 0, 0 } }, pixel);
  image->SetTensor(itk::SamTensor());
  std::vector<float> found(120);
  image->GetTensor().CopyToHost(found.data());
  EXPECT_EQ(found[0], -8.0f);
  EXPECT_EQ(found[1], 1.0f);
}
