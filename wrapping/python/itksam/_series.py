# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""A label map and the DICOM series that it was made from, for what is written as DICOM."""

from __future__ import annotations

import os
import pathlib
from typing import Any, NamedTuple, Sequence, Union

import numpy as np

from ._arguments import PathLike, path as as_path
from ._images import as_integers, as_picture
from ._library import _itksam
from .model import Label, Model

# What a slice must say about itself.
_NEEDED = (
    "SOPClassUID SOPInstanceUID SeriesInstanceUID StudyInstanceUID Rows Columns ImagePositionPatient "
    "ImageOrientationPatient PixelSpacing"
).split()
# What the slices of a series have in common.
_SHARED = "StudyInstanceUID FrameOfReferenceUID Rows Columns".split()
_LONGEST = 64  # characters of a name or description in DICOM (VR LO)


def _read_slice(file: Any) -> Any:
    """A data set; None for a file that is no DICOM."""
    import pydicom

    try:
        return pydicom.dcmread(file)
    except pydicom.errors.InvalidDicomError:
        return None
    except (OSError, TypeError) as error:
        raise _itksam.Error(f"{file}: cannot be read ({error}), expected a slice of a DICOM series") from None


def _read_series(source: Any) -> "list[Any]":
    import pydicom

    if isinstance(source, (str, os.PathLike)):
        folder = pathlib.Path(source)
        if not folder.is_dir():
            raise _itksam.Error(f"{folder}: no such folder, expected the source series")
        read = {path: _read_slice(path) for path in sorted(folder.iterdir()) if path.is_file()}
        # as ITK's reader: other files, such as an index of the disk, are no slices
        named: "list[tuple[Any, Any]]" = [(path, each) for path, each in read.items() if each is not None and "PixelData" in each]
    else:
        if not hasattr(source, "__iter__") or isinstance(source, pydicom.Dataset):
            raise _itksam.Error(f"the source series is a {type(source).__name__}, expected a folder, or a list of slices")
        named = [
            (f"slice {k}", each) if isinstance(each, pydicom.Dataset) else (each, _read_slice(each))
            for k, each in enumerate(source)
        ]
    for name, each in named:
        if each is None:
            raise _itksam.Error(f"{name}: is no DICOM file, expected a slice of the source series")
        for keyword in _NEEDED:
            if getattr(each, keyword, None) in (None, ""):
                raise _itksam.Error(f"{name}: has no {keyword}, expected a slice of an image series")
    slices = [each for _, each in named]
    if not slices:
        raise _itksam.Error(f"the source series {source!s} has no image, expected the slices that were segmented")
    if len({each.SeriesInstanceUID for each in slices}) != 1:
        raise _itksam.Error("the source images are of several series, expected one")
    for keyword in _SHARED:
        found = {getattr(each, keyword, None) for each in slices}
        if len(found) != 1:
            values = sorted(str(value) for value in found)
            raise _itksam.Error(f"{keyword} of the source series is {values[0]} and {values[1]}, expected the same in all slices")
    return slices


def _check_grid(volume_affine: np.ndarray, shape: "tuple[int, ...]", slices: "list[Any]") -> None:
    """The segmentation's voxels are those of the series."""
    rows, columns = int(slices[0].Rows), int(slices[0].Columns)
    if shape != (len(slices), rows, columns):
        raise _itksam.Error(
            f"the segmentation has {shape[2]} x {shape[1]} x {shape[0]} voxels, the source series "
            f"{columns} x {rows} x {len(slices)}: expected the grid of the series"
        )
    inverse = np.linalg.inv(volume_affine)
    found = []
    for each in slices:
        position = np.array(each.ImagePositionPatient, float)
        along_columns, along_rows = np.reshape(np.array(each.ImageOrientationPatient, float), (2, 3))
        row_spacing, column_spacing = (float(value) for value in each.PixelSpacing)
        last = position + along_columns * column_spacing * (columns - 1) + along_rows * row_spacing * (rows - 1)
        corners = [(inverse @ np.append(corner, 1.0))[:3] for corner in (position, last)]
        k = int(round(corners[0][2]))
        found.append(k)
        expected = [np.array([0, 0, k]), np.array([columns - 1, rows - 1, k])]
        if not np.allclose(corners, expected, atol=0.05):
            raise _itksam.Error(
                f"a slice of the source series lies at {tuple(np.round(position, 3).tolist())}, "
                "not on the segmentation's grid: expected the series that was segmented"
            )
    if sorted(found) != list(range(len(slices))):
        raise _itksam.Error("the source series lacks a slice of the segmentation, or has one twice")


class LabelledSeries(NamedTuple):
    """What fits together: the labels of each slice of a series."""

    labels: np.ndarray  #: z, y, x
    affine: np.ndarray  #: from indices x, y, z to mm (LPS), 4 x 4
    slices: "list[Any]"  #: data sets, in the order of the labels' slices
    table: "list[Label]"  #: of the labels that there are, without the background


def _check(label: Any) -> Label:
    """A label as it was given, or a tuple of its parts."""
    try:
        value, name, (red, green, blue) = label
        if all(0 <= part <= 255 for part in (red, green, blue)):
            return Label(int(value), str(name), (int(red), int(green), int(blue)))
    except (TypeError, ValueError):
        pass
    raise _itksam.Error(f"{label!r} is no label, expected value, name and color (red, green and blue of 0 to 255)")


def match(
    segmentation: Any, source_series: Any, model: "Union[Model, Sequence[Label]]", geometry: "dict[str, Any]"
) -> LabelledSeries:
    """The arguments of WriteDicomSeg() and WriteDicomRtStruct(), read and checked."""
    picture = as_picture(segmentation, **geometry)
    source = picture.image
    if source.dimension != 3 or source.is_vector:
        raise _itksam.Error("the segmentation is no volume of one component, expected a label map of three dimensions")
    labels = as_integers(picture.array, np.uint16, "the segmentation")
    if not isinstance(model, (Model, list, tuple)):
        raise _itksam.Error(f"model is a {type(model).__name__}, expected a Model or a list of labels")
    slices = _read_series(source_series)

    affine = np.eye(4)
    affine[:3, :3] = np.reshape(source.direction, (3, 3)) @ np.diag(source.spacing)
    affine[:3, 3] = source.origin
    _check_grid(affine, labels.shape, slices)
    across = np.linalg.inv(affine)[2]
    order = np.argsort([across @ np.append(np.array(each.ImagePositionPatient, float), 1.0) for each in slices])

    table = [label for label in (model.labels if isinstance(model, Model) else map(_check, model)) if label.value != 0]
    if len({label.value for label in table}) < len(table):
        raise _itksam.Error("two labels have the same value, expected one label for each value")
    values = set(np.unique(labels).tolist()) - {0}
    unknown = values - {label.value for label in table}
    if unknown:
        raise _itksam.Error(f"the segmentation has the value {min(unknown)}, which is no label of the model")
    table = [label for label in table if label.value in values]
    if not table:
        raise _itksam.Error("the segmentation has no label but the background, expected at least one")
    return LabelledSeries(labels, affine, [slices[k] for k in order], table)


def name_of(label: Label) -> str:
    """The name as DICOM can hold it: a backslash would end a value."""
    return label.name[:_LONGEST].replace("\\", "/")


def check_description(text: Any) -> str:
    """A series description that DICOM can hold."""
    if not isinstance(text, str) or len(text) > _LONGEST or "\\" in text:
        raise _itksam.Error(f"series_description is {text!r}, expected at most {_LONGEST} characters without a backslash")
    return text


def write(data: Any, path: PathLike) -> None:
    """Write a data set: all of it, or nothing."""
    target = pathlib.Path(as_path(path, "path"))
    temporary = target.with_name(target.name + ".part")
    try:
        data.save_as(temporary, enforce_file_format=True)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _itksam.Error(f"{target}: cannot be written ({error.strerror})") from None
