# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""Segments medical images with networks of the Segment Anything family.

    import itksam, SimpleITK as sitk
    labels = itksam.Segment(sitk.ReadImage("image.nii.gz"), model="hippocampus.safetensors")

Images are SimpleITK images, NumPy arrays (axes z, y, x; geometry by keywords) or images of the package itk; what comes
back is of the kind that was given. Points and sizes are physical, in mm (LPS), x first.
"""

from ._library import _itksam
from ._process import (
    sitkAbortEvent,
    sitkAnyEvent,
    sitkEndEvent,
    sitkProgressEvent,
    sitkStartEvent,
)
from .cohort import CohortCase, SegmentCohort
from .dicom import WriteDicomSeg
from .evaluation import Evaluate, ReadLabels, WriteReport
from .filters import (
    AutomaticMaskImageFilter,
    PromptedSegmentationImageFilter,
    SegmentationImageFilter,
    SliceEncoderImageFilter,
    Window,
)
from .model import Label, Model, GetNumberOfThreads, SetNumberOfThreads
from .rtstruct import WriteDicomRtStruct
from .segmentation import FindBody, Segment, SegmentFile
from .stages import (
    AutoPromptImageFilter,
    EncoderImageFilter,
    MaskClassificationImageFilter,
    Prompts,
    PrototypePromptImageFilter,
    ResampleImageFilter,
)
from .training import Pretrain, PretrainOptions, RunOptions, Train, TrainOptions

Error = _itksam.Error
Aborted = _itksam.Aborted
TrainingProgress = _itksam.TrainingProgress
TrainingResult = _itksam.TrainingResult

__version__ = "0.1.0"
__all__ = [
    "Aborted",
    "AutoPromptImageFilter",
    "AutomaticMaskImageFilter",
    "CohortCase",
    "EncoderImageFilter",
    "Error",
    "Evaluate",
    "FindBody",
    "GetNumberOfThreads",
    "Label",
    "MaskClassificationImageFilter",
    "Model",
    "Pretrain",
    "PretrainOptions",
    "PromptedSegmentationImageFilter",
    "Prompts",
    "PrototypePromptImageFilter",
    "ReadLabels",
    "ResampleImageFilter",
    "RunOptions",
    "Segment",
    "SegmentCohort",
    "SegmentFile",
    "SegmentationImageFilter",
    "SetNumberOfThreads",
    "SliceEncoderImageFilter",
    "Train",
    "TrainOptions",
    "TrainingProgress",
    "TrainingResult",
    "Window",
    "WriteDicomRtStruct",
    "WriteDicomSeg",
    "WriteReport",
    "sitkAbortEvent",
    "sitkAnyEvent",
    "sitkEndEvent",
    "sitkProgressEvent",
    "sitkStartEvent",
]
