# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""The wrapped filters: the labels of a window are those of the stages, tensors flow between them, errors arrive."""

import sys

import itk
import numpy as np

itk.SamModel.SetNumberOfThreads(1)
model = itk.SamModel.Read(sys.argv[1], "cpu")
assert model.GetNumberOfLabels() == 3 and model.GetDevice() == "cpu"
assert tuple(model.GetLabelNames()) == ("background", "anterior", "posterior")

# One window of the model on its own grid: nothing is interpolated, padded or averaged.
z, y, x = np.meshgrid(*(np.linspace(-1, 1, size) for size in (16, 56, 40)), indexing="ij")
blob = np.exp(-((x / 0.35) ** 2) - (y / 0.6) ** 2 - (z / 0.35) ** 2)
wave = np.sin(9 * x + 4 * y) * np.cos(7 * z - 5 * y)
pixels = (100 * blob + 30 * wave + 60).astype(np.float32)
image = itk.image_view_from_array(pixels)

segmentation = itk.SamSegmentationImageFilter[itk.Image[itk.F, 3], itk.Image[itk.UC, 3]].New(Input=image, Model=model)
segmentation.Update()
labels = itk.array_from_image(segmentation.GetOutput())
assert segmentation.GetNumberOfWindows() == 1
assert labels.shape == (16, 56, 40) and set(np.unique(labels)) == {0, 1, 2}

ChannelImageType = itk.VectorImage[itk.F, 3]
resample = itk.SamResampleImageFilter[itk.Image[itk.F, 3]].New(Input=image, Model=model)
encoder = itk.SamEncoderImageFilter[ChannelImageType].New(Input=resample.GetOutput(), Model=model)
prompter = itk.SamAutoPromptImageFilter[ChannelImageType].New(Input=encoder.GetOutput(), Model=model)
classifier = itk.SamMaskClassificationImageFilter[ChannelImageType].New(Input=encoder.GetOutput(), Model=model)
classifier.SetPrompts(prompter.GetOutput())
classifier.Update()
assert prompter.GetOutput().GetNumberOfQueries() == model.GetNumberOfQueries()
probabilities = ChannelImageType.New()
probabilities.Graft(classifier.GetOutput())
assert (itk.array_from_image(probabilities).argmax(axis=-1) == labels).all()

try:
    itk.SamModel.Read("missing.safetensors")
    raise AssertionError("read a file that is missing")
except RuntimeError as error:
    assert "missing.safetensors" in str(error)
