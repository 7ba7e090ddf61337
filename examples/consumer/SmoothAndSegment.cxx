// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
// The segmentation as one filter in a pipeline of ITK's own.
#include "itkImageFileReader.h"
#include "itkImageFileWriter.h"
#include "itkMedianImageFilter.h"
#include "itkSamSegmentationImageFilter.h"
#include "itkShrinkImageFilter.h"

#include <iostream>

int
main(int argc, char * argv[])
{
  if (argc != 5)
  {
    std::cerr << "usage: SmoothAndSegment MODEL.safetensors IMAGE SMOOTHED LABELS\n";
    return EXIT_FAILURE;
  }
  using ImageType = itk::Image<float, 3>;
  using LabelImageType = itk::Image<unsigned char, 3>;
  try
  {
    auto read = itk::ImageFileReader<ImageType>::New();
    read->SetFileName(argv[2]);

    auto smooth = itk::MedianImageFilter<ImageType, ImageType>::New();
    smooth->SetInput(read->GetOutput());
    smooth->SetRadius(1);

    // Any grid will do: the labels come back on the grid of the filter's input.
    auto shrink = itk::ShrinkImageFilter<ImageType, ImageType>::New();
    shrink->SetInput(smooth->GetOutput());
    shrink->SetShrinkFactor(0, 2);

    auto segment = itk::SamSegmentationImageFilter<ImageType, LabelImageType>::New();
    segment->SetInput(shrink->GetOutput());
    segment->SetModel(itk::SamModel::Read(argv[1], "cpu"));

    auto write = itk::ImageFileWriter<LabelImageType>::New();
    write->SetInput(segment->GetOutput());
    write->SetFileName(argv[4]);
    write->UseCompressionOn();
    write->Update();

    itk::WriteImage(shrink->GetOutput(), argv[3]);
  }
  catch (const itk::ExceptionObject & exception)
  {
    std::cerr << exception.GetDescription() << '\n';
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
