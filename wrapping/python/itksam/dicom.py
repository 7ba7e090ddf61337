# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""Label maps as DICOM segmentations, written by highdicom."""

from __future__ import annotations

import pathlib
import re
from typing import Any, Mapping, Optional, Sequence, Union

import numpy as np

from ._arguments import PathLike
from ._library import _itksam
from ._series import check_description, match, name_of, write
from .model import Label, Model

_SCHEME = "99ITKSAM"  # private, for labels that have no code of their own
# DICOM's segmentation property types, whose names in pydicom are understood.
_CONTEXT = "cid7151"


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
        return CodedConcept(str(label.value), _SCHEME, name_of(label))
    return CodedConcept(known.value, known.scheme_designator, known.meaning)


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
    organs and structures ("liver"), else the name in a private scheme. series_description: up to 64 characters.
    spacing, origin (mm), direction: of an array.
    """
    try:
        import highdicom
    except ImportError:
        raise _itksam.Error("highdicom is not installed: run 'pip install highdicom'") from None
    from highdicom.color import CIELabColor
    from highdicom.sr import CodedConcept

    check_description(series_description)
    labels, _, slices, table = match(segmentation, source_series, model, geometry)
    names = {label[1] for label in (model.labels if isinstance(model, Model) else model)}
    for name in codes or {}:
        if name not in names:
            raise _itksam.Error(f"codes: {name!r} is no label, expected some of {', '.join(sorted(names))}")
    numbers = np.zeros(int(labels.max()) + 1, np.uint8 if len(table) < 256 else np.uint16)  # segments count from 1 without a gap
    descriptions = []
    name = pathlib.Path(model.path).name if isinstance(model, Model) else "itksam"
    from . import __version__

    for number, label in enumerate(table, 1):
        numbers[label.value] = number
        descriptions.append(
            highdicom.seg.SegmentDescription(
                segment_number=number,
                segment_label=name_of(label),
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
    write(data, path)
    return data
