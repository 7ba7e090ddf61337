# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""Label maps as DICOM segmentations, written by highdicom."""

from __future__ import annotations

import os
import pathlib
import re
from typing import Any, Mapping, Optional, Sequence, Union

import numpy as np

from ._arguments import PathLike, path as as_path
from ._images import as_integers, as_picture
from ._library import _itksam
from .model import Label, Model

_SCHEME = "99ITKSAM"  # private, for labels that have no code of their own
# DICOM's segmentation property types, whose names in pydicom are understood.
_CONTEXT = "cid7151"


# What a slice must say about itself.
_NEEDED = (
    "SOPClassUID SOPInstanceUID SeriesInstanceUID StudyInstanceUID Rows Columns ImagePositionPatient "
    "ImageOrientationPatient PixelSpacing"
).split()


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
        named = [(path, each) for path, each in read.items() if each is not None and "PixelData" in each]
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
    return slices


def _code(label: Label, codes: "Mapping[str, Sequence[str]]") -> Any:
    from highdicom.sr import CodedConcept
    from pydicom.sr.codedict import codes as dictionary

    given = codes.get(label.name)
    if given is not None:
        try:
            return CodedConcept(*given)
        except (TypeError, ValueError):
            message = f"codes: {given!r} for {label.name!r}, expected (value, scheme, meaning)"
            raise _itksam.Error(message) from None
    keyword = "".join(word.capitalize() for word in re.split(r"[\W_]+", label.name))
    known = getattr(getattr(dictionary, _CONTEXT), keyword, None)
    if known is None:
        return CodedConcept(str(label.value), _SCHEME, label.name)
    return CodedConcept(known.value, known.scheme_designator, known.meaning)


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


def WriteDicomSeg(
    segmentation: Any,
    source_series: Any,
    path: PathLike,
    model: "Union[Model, Sequence[Label]]",
    *,
    codes: "Optional[Mapping[str, Sequence[str]]]" = None,
    series_description: str = "Segmentation",
    **geometry: Any,
) -> Any:
    """Write a label map as DICOM SEG with names, colors and codes of its labels; answers the data set.

    segmentation: the label map on the grid of the series. source_series: its folder, files or pydicom data sets.
    model: the Model, or Labels. Labels that are not in the label map are left out.
    codes: (value, scheme, meaning) by name of the label. Default: SNOMED CT's for the names of common
    organs and structures ("liver"), else the name in a private scheme. spacing, origin, direction: of an array.
    """
    try:
        import highdicom
    except ImportError:
        raise _itksam.Error("highdicom is not installed: run 'pip install highdicom'") from None
    from highdicom.color import CIELabColor
    from highdicom.sr import CodedConcept

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
    order = np.argsort(
        [(np.linalg.inv(affine) @ np.append(np.array(each.ImagePositionPatient, float), 1.0))[2] for each in slices]
    )
    slices = [slices[k] for k in order]

    table = [label for label in (model.labels if isinstance(model, Model) else model) if label.value != 0]
    values = set(np.unique(labels).tolist()) - {0}
    unknown = values - {label.value for label in table}
    if unknown:
        raise _itksam.Error(f"the segmentation has the value {min(unknown)}, which is no label of the model")
    table = [label for label in table if label.value in values]
    if not table:
        raise _itksam.Error("the segmentation has no label but the background, expected at least one")

    numbers = np.zeros(max(values) + 1, np.uint8 if len(table) < 256 else np.uint16)  # segments count from 1 without a gap
    descriptions = []
    name = pathlib.Path(model.path).name if isinstance(model, Model) else "itksam"
    from . import __version__

    for number, label in enumerate(table, 1):
        numbers[label.value] = number
        descriptions.append(
            highdicom.seg.SegmentDescription(
                segment_number=number,
                segment_label=label.name[:64],
                segmented_property_category=CodedConcept("123037004", "SCT", "Anatomical Structure"),
                segmented_property_type=_code(label, codes or {}),
                algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
                algorithm_identification=highdicom.AlgorithmIdentificationSequence(
                    name=name,
                    family=CodedConcept("123109", "DCM", "Artificial Intelligence"),
                    version=__version__,
                ),
                display_color=CIELabColor.from_rgb(*label.color),
            )
        )
    try:
        data = highdicom.seg.Segmentation(
            source_images=slices,
            pixel_array=numbers[labels],
            segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=descriptions,
            series_instance_uid=highdicom.UID(),
            series_number=100,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer="ITKSegmentAnything",
            manufacturer_model_name="itksam",
            software_versions=__version__,
            device_serial_number="0",
            series_description=series_description,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"{type(error).__name__}: {error}"
        raise _itksam.Error(f"the source series or a label does not do for a segmentation ({what})") from error
    target = pathlib.Path(as_path(path, "path"))
    temporary = target.with_name(target.name + ".part")
    try:
        data.save_as(temporary)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _itksam.Error(f"{target}: cannot be written ({error.strerror})") from None
    return data
