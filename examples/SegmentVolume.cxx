// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
// The smallest pipeline: image file in, label file out.
#include "itkImageFileReader.h"
#include "itkImageFileWriter.h"
#include "itkSamSegmentationImageFilter.h"

#include <iostream>

int
main(int argc, char * argv[])
{
  if (argc != 4)
  {
    std::cerr << "usage: SegmentVolume MODEL.safetensors IMAGE LABELS\n";
    return EXIT_FAILURE;
  }
  try
  {
    using ImageType = itk::Image<float, 3>;
    auto segment = itk::SamSegmentationImageFilter<ImageType>::New();
    segment->SetInput(itk::ReadImage<ImageType>(argv[2]));
    segment->SetModel(itk::SamModel::Read(argv[1]));
    itk::WriteImage(segment->GetOutput(), argv[3], true);
  }
  catch (const itk::ExceptionObject & exception)
  {
    std::cerr << exception.GetDescription() << '\n';
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
