# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""Comparison with reference labels."""

from __future__ import annotations

import json
import os
import warnings
from typing import Any, Callable, Mapping, Optional, Sequence, Union

import numpy as np

from ._arguments import PathLike, boxes, path as as_path, whole, wholes
from ._images import Picture, as_picture, as_picture_of
from ._library import _itksam
from ._process import ProcessObject, sitkProgressEvent
from .model import Label, Model

Names = Union[Mapping[int, str], Model, None]
Regions = Sequence["tuple[Sequence[float], Sequence[float]]"]


def _by_label(given: Any, what: str) -> "dict[int, Any]":
    if not isinstance(given, Mapping):
        raise _itksam.Error(f"{what} is a {type(given).__name__}, expected a dictionary by label, such as {{1: ...}}")
    return {whole(value, f"a label of {what}", None): other for value, other in given.items()}


def _make_options(
    labels: Sequence[int],
    names: Names,
    segmentation_map: "Mapping[int, int]",
    reference_map: "Mapping[int, int]",
    regions: Regions,
) -> _itksam.EvaluationOptions:
    if isinstance(names, Model):
        names = {label.value: label.name for label in names.labels[1:]}
    known = {value: str(name) for value, name in _by_label(names or {}, "names").items()}
    first, second = (
        {value: whole(other, f"a label of {what}", None) for value, other in _by_label(given, what).items()}
        for given, what in ((segmentation_map, "segmentation_map"), (reference_map, "reference_map"))
    )
    return _itksam.EvaluationOptions(wholes(labels, "labels", None), known, first, second, boxes(regions))


def _make_cohort(
    segmentation: PathLike, reference: Optional[PathLike], groups: Optional[PathLike], source: str
) -> _itksam.EvaluatedCohort:
    if source and not (groups and reference):
        raise _itksam.Error("source is given without reference and groups, expected all of them")
    return _itksam.EvaluatedCohort(
        as_path(segmentation, "segmentation"),
        as_path(reference or "", "reference"),
        as_path(groups or "", "groups"),
        source,
        lambda text: warnings.warn(text, stacklevel=4),
    )


def _make_process(progress: Optional[Callable[[float], Any]]) -> ProcessObject:
    process = ProcessObject()
    if progress is not None:
        report = progress
        process.AddCommand(sitkProgressEvent, lambda: report(process.GetProgress()))
    return process


def _copy(picture: Picture) -> _itksam.Image:
    source = picture.image
    return _itksam.Image(
        picture.array.copy(), source.spacing, source.origin, source.direction, source.is_vector
    )


def ReadLabels(path: PathLike) -> "list[Label]":
    """The labels other than 0 that the header of a label map names, with their colors.

    path: NRRD, NIfTI or MetaImage of this software, 3D Slicer (.seg.nrrd) or the Connectome Workbench. The list is
    empty where the header names none.
    """
    labels = _itksam.read_labels(as_path(path, "path"))
    return [Label(value, name, (red, green, blue)) for value, name, (red, green, blue) in labels]


def Evaluate(
    segmentation: Any,
    reference: Any,
    *,
    labels: Sequence[int] = (),
    names: Names = None,
    segmentation_map: "Mapping[int, int]" = {},
    reference_map: "Mapping[int, int]" = {},
    regions: Regions = (),
    groups: Optional[PathLike] = None,
    source: str = "",
    seed: int = 0,
    progress: Optional[Callable[[float], Any]] = None,
    **geometry: Any,
) -> "dict[str, Any]":
    """Dice, HD95 and mean surface distance (mm), volumes of each label: what sam-evaluate writes as JSON.

    segmentation, reference: two label maps, or the paths of two files or of two folders.
    labels: values to compare. Default: those of names, else all that are found.
    names: names of the values, or a model that has them.
    segmentation_map, reference_map: other values for the labels, such as {1: 1, 2: 1}; what is not mentioned becomes
    background.
    regions: boxes, (center, size) in mm (LPS), outside of which all is background. Default: everywhere.
    groups, source, seed: of folders, a table (CSV) of sites, the site trained on, and the seed of the bootstrap.
    progress: called with the fraction done; what it raises stops the run.
    spacing, origin, direction: of arrays.
    """
    options = _make_options(labels, names, segmentation_map, reference_map, regions)
    if not isinstance(reference, (str, os.PathLike)):
        if groups or source:
            raise _itksam.Error("groups and source are for folders, not for images")
        where = as_picture(reference, **geometry)
        expected = as_picture_of(where, np.int32, where, "reference")
        found = as_picture_of(segmentation, np.int32, where, "segmentation")
        # maps and regions change the pixels
        return json.loads(_itksam.evaluate_images(_copy(found), _copy(expected), options))
    if geometry:
        raise _itksam.Error(f"{', '.join(geometry)}: no such option for files; spacing, origin and direction are for arrays")
    cohort = _make_cohort(segmentation, reference, groups, source)
    process = _make_process(progress)
    return json.loads(_itksam.evaluate_files(process._process, cohort, options, whole(seed, "seed")))


def WriteReport(
    segmentation: PathLike,
    output: PathLike,
    *,
    reference: Optional[PathLike] = None,
    image: Optional[PathLike] = None,
    title: str = "",
    pictures: int = 6,
    rows: int = 1000,
    labels: Sequence[int] = (),
    names: Names = None,
    segmentation_map: "Mapping[int, int]" = {},
    reference_map: "Mapping[int, int]" = {},
    regions: Regions = (),
    groups: Optional[PathLike] = None,
    source: str = "",
    seed: int = 0,
    progress: Optional[Callable[[float], Any]] = None,
) -> None:
    """Write one HTML page about a case or a cohort, which needs no other file: what sam-report does.

    segmentation, reference: the paths of two files or of two folders; without a reference there are volumes alone.
    output: the page.
    image: the image, or the folder of images named as the labels are, for pictures.
    title: the heading. Default: the name of segmentation.
    pictures: cases that are shown: the worst and, of three or more, the median and the best one.
    rows: cases in the table, the worst first.
    The others are those of Evaluate().
    """
    options = _make_options(labels, names, segmentation_map, reference_map, regions)
    images = as_path(image or "", "image")
    if images and not os.path.exists(images):
        raise _itksam.Error(f"{images}: no such file or folder")
    process = _make_process(progress)
    _itksam.write_report(
        process._process,
        _make_cohort(segmentation, reference, groups, source),
        options,
        images,
        as_path(output, "output"),
        title,
        whole(pictures, "pictures"),
        whole(rows, "rows"),
        whole(seed, "seed"),
    )
