# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""Segmentation in one call."""

from __future__ import annotations

import numbers
import warnings
from typing import Any, Callable, Mapping, Optional, Sequence, Union

import numpy as np

from ._arguments import Numbers, PathLike, boxes, path as as_path
from ._images import as_picture
from ._library import _itksam
from ._process import sitkProgressEvent
from .filters import SegmentationImageFilter
from .model import Model, as_models

Models = Union[PathLike, Model, Sequence[Union[PathLike, Model]]]


def _make_filter(
    model: Models,
    regions: "Sequence[tuple[Numbers, Numbers]]",
    mirror_axes: Sequence[int],
    device: Optional[str],
    precision: Optional[str],
    progress: Optional[Callable[[float], Any]],
) -> SegmentationImageFilter:
    models = as_models(model)
    segment = SegmentationImageFilter()
    segment.SetModel(models[0])
    for other in models[1:]:
        segment.AddModel(other)
    if device is not None:
        segment.SetDevice(device)
    if precision is not None:
        segment.SetPrecision(precision)
    segment.SetMirrorAxes(mirror_axes)
    for center, size in boxes(regions):
        segment.AddRegionOfInterest(center, size)
    if progress is not None:
        report = progress
        segment.AddCommand(sitkProgressEvent, lambda: report(segment.GetProgress()))
    return segment


def FindBody(image: Any, **geometry: Any) -> "tuple[tuple[float, ...], tuple[float, ...]]":
    """The box around the body, (center, size) in mm, as sam-segment --crop-to-body takes it: a region for Segment().

    It is the box of what is brighter than Otsu's threshold of the first component, without parts of less than 1000 mm3,
    and 10 mm on each side. spacing, origin, direction, is_vector: of an array.
    """
    picture = as_picture(image, **geometry)
    source = picture.image
    pixels = picture.array[..., 0] if source.is_vector else picture.array
    channel = _itksam.Image(
        np.ascontiguousarray(pixels, np.float32), source.spacing, source.origin, source.direction, False
    )
    center, size = _itksam.find_body(channel)
    return tuple(center), tuple(size)


def _by_label(probability: Any) -> "Mapping[Union[str, int], PathLike]":
    if not isinstance(probability, Mapping):
        raise _itksam.Error(f"probability is {probability!r}, expected paths by label, such as {{'liver': 'liver.nrrd'}}")
    return probability


def _cleaning(
    segment: SegmentationImageFilter, labels: "Sequence[Union[str, int]]", largest: bool, minimum: float, fill: bool
) -> "tuple[set[int], bool, float, bool]":
    if not (isinstance(minimum, numbers.Real) and minimum >= 0.0):
        raise _itksam.Error(f"minimum_size is {minimum!r}, expected a volume in mm3, 0 or more")
    words = [labels] if isinstance(labels, (str, numbers.Integral)) else list(labels)
    values = _itksam.parse_labels(",".join(map(str, words)), segment.GetModel()._model) if words else set()
    return values, bool(largest), float(minimum), bool(fill)


def Segment(
    image: Any,
    model: Models,
    *,
    regions: "Sequence[tuple[Numbers, Numbers]]" = (),
    labels: "Union[str, int, Sequence[Union[str, int]]]" = (),
    largest_component: bool = False,
    minimum_size: float = 0.0,
    fill_holes: bool = False,
    mirror_axes: Sequence[int] = (),
    device: Optional[str] = None,
    precision: Optional[str] = None,
    progress: Optional[Callable[[float], Any]] = None,
    **geometry: Any,
) -> Any:
    """The label map of an image, on its grid: what sam-segment writes.

    model: a file, a Model, or several of them, whose answers are averaged.
    regions: boxes to segment, (center, size) in mm. Default: the whole image.
    labels: names or values of the labels to keep. Default: all.
    largest_component, minimum_size (mm3), fill_holes: clean the labels, in this order.
    mirror_axes: axes along which windows are mirrored, for models that were trained so.
    device, precision: as of Model. Default: where the model is.
    progress: called with the fraction done; what it raises stops the run.
    spacing, origin, direction, is_vector: of an array.
    """
    segment = _make_filter(model, regions, mirror_axes, device, precision, progress)
    picture = as_picture(image, **geometry)
    return segment._segment(picture, *_cleaning(segment, labels, largest_component, minimum_size, fill_holes))  # type: ignore[arg-type]


def SegmentFile(
    image: PathLike,
    output: PathLike,
    model: Models,
    *,
    statistics: Optional[PathLike] = None,
    preview: Optional[PathLike] = None,
    probability: "Mapping[Union[str, int], PathLike]" = {},
    uncertainty: Optional[PathLike] = None,
    regions: "Sequence[tuple[Numbers, Numbers]]" = (),
    labels: "Union[str, int, Sequence[Union[str, int]]]" = (),
    largest_component: bool = False,
    minimum_size: float = 0.0,
    fill_holes: bool = False,
    fix_direction: bool = False,
    crop_to_body: bool = False,
    memory_limit: "Union[str, int, None]" = None,
    mirror_axes: Sequence[int] = (),
    device: Optional[str] = None,
    precision: Optional[str] = None,
    progress: Optional[Callable[[float], Any]] = None,
) -> None:
    """Segment an image file, or the folder of a DICOM series, into a file with names and colors of the labels, the
    version of the software and the MD5 of the models.

    statistics: JSON file of volumes and gray values. preview: PNG file with outlines.
    probability: image files by names or values of labels, the background too, for what the label map is chosen by.
    uncertainty: image file of one minus the largest probability.
    fix_direction: take the nearest perpendicular axes of a NIfTI file whose axes are not, and warn of it.
    crop_to_body: segment the box of FindBody() instead of regions.
    memory_limit: of the estimate, bytes or such as "2G": what takes more is segmented in parts, or refused.
    The rest is as of Segment(). All files are written, or none.
    """
    segment = _make_filter(model, regions, mirror_axes, device, precision, progress)
    if crop_to_body and segment._regions:
        raise _itksam.Error("crop_to_body: expected no regions beside it")
    maps: "dict[int, str]" = {}
    for label, file in _by_label(probability).items():
        value = segment._find_label(label)
        if value in maps:
            raise _itksam.Error(f"probability: the label {label!r} has a file already")
        maps[value] = as_path(file, "a file of probability")
    _itksam.segment_file(
        segment._process,
        [each._model for each in segment.GetModels()],
        as_path(image, "image"),
        as_path(output, "output"),
        as_path(statistics or "", "statistics"),
        as_path(preview or "", "preview"),
        segment._mirror_axes,
        segment._regions,
        *_cleaning(segment, labels, largest_component, minimum_size, fill_holes),  # type: ignore[arg-type]
        maps,
        as_path(uncertainty or "", "uncertainty"),
        bool(fix_direction),
        bool(crop_to_body),
        "" if memory_limit is None else str(memory_limit),
        lambda text: warnings.warn(text, stacklevel=3),
    )
