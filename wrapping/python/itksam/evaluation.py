# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""Comparison with reference labels."""

from __future__ import annotations

import json
import os
import warnings
from typing import Any, Callable, Mapping, Optional, Sequence, Union

import numpy as np

from ._images import as_picture, as_picture_of
from ._library import _itksam
from ._process import ProcessObject, sitkProgressEvent
from .model import Model


def Evaluate(
    segmentation: Any,
    reference: Any,
    *,
    labels: Sequence[int] = (),
    names: "Union[Mapping[int, str], Model, None]" = None,
    groups: Optional[str] = None,
    source: str = "",
    seed: int = 0,
    progress: Optional[Callable[[float], Any]] = None,
    **geometry: Any,
) -> "dict[str, Any]":
    """Dice, HD95 and mean surface distance (mm), volumes of each label: what sam-evaluate writes as JSON.

    segmentation, reference: two label maps, or the paths of two files or of two folders.
    labels: values to compare. Default: those of names, else all that are found.
    names: names of the values, or a model that has them.
    groups, source, seed: of folders, a table (CSV) of sites, the site trained on, and the seed of the bootstrap.
    spacing, origin, direction: of arrays.
    """
    if isinstance(names, Model):
        names = {label.value: label.name for label in names.labels[1:]}
    named = dict(names or {})
    if not isinstance(reference, (str, os.PathLike)):
        where = as_picture(reference, **(geometry if isinstance(reference, np.ndarray) else {}))
        expected = as_picture_of(where, np.int32, where, "reference")
        found = as_picture_of(segmentation, np.int32, where, "segmentation")
        return json.loads(_itksam.evaluate_images(found.image, expected.image, list(labels), named))
    process = ProcessObject()
    if progress is not None:
        report = progress
        process.AddCommand(sitkProgressEvent, lambda: report(process.GetProgress()))
    return json.loads(
        _itksam.evaluate_files(
            process._process,
            os.fspath(segmentation),
            os.fspath(reference),
            list(labels),
            named,
            groups or "",
            source,
            seed,
            lambda text: warnings.warn(text, stacklevel=4),
        )
    )
