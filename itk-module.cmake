# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
# Read by ITK (in its tree), by ITKModuleExternal (ITK build tree) and by ITKModuleStandalone (installed ITK).
set(DOCUMENTATION
    "Segmentation with the Segment Anything family as ITK filters: an image goes in, a label map on the same physical
grid comes out, with no prompt drawn by hand."
)

# The filters need the modules under DEPENDS; training, evaluation and the programs need those under COMPILE_DEPENDS.
itk_module(SegmentAnything
  ENABLE_SHARED
  EXCLUDE_FROM_DEFAULT
  DEPENDS
    ITKCommon
  COMPILE_DEPENDS
    ITKDistanceMap
    ITKImageCompose
    ITKImageFunction
    ITKImageGrid
    ITKImageIntensity
    ITKIOGDCM
    ITKIOImageBase
    ITKIOJPEG
    ITKIOMeta
    ITKIONIFTI
    ITKIONRRD
    ITKIOPNG
    ITKIOTIFF
    ITKIOXML
    ITKThresholding
    ITKZLIB
  TEST_DEPENDS
    ITKGoogleTest
    ITKImageIntensity
    ITKIOMeta
  DESCRIPTION
    "${DOCUMENTATION}"
)
