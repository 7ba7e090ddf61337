# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""What callers give as plain Python values, checked: a mistake is itksam.Error with what was found and expected."""

from __future__ import annotations

import os
from typing import Any, Optional, Sequence, Union

import numpy as np

from ._library import _itksam

Numbers = Union[Sequence[float], np.ndarray]
PathLike = Union[str, "os.PathLike[str]"]


def floats(values: Numbers, what: str) -> "list[float]":
    """Plain floats, of whatever counts as a number."""
    try:
        return [float(value) for value in values]
    except (TypeError, ValueError):
        raise _itksam.Error(f"{what} is {values!r}, expected numbers") from None


def whole(value: Any, what: str, least: Optional[int] = 0) -> int:
    """An int, of whatever counts as a whole number; least: the smallest one that is allowed."""
    try:
        number = int(value)
        if number == value and (least is None or number >= least):
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise _itksam.Error(f"{what} is {value!r}, expected a whole number{'' if least is None else f' from {least} on'}")


def wholes(values: Any, what: str, least: Optional[int] = 0) -> "list[int]":
    """A list of ints."""
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise _itksam.Error(f"{what} is {values!r}, expected a list of whole numbers")
    return [whole(value, f"one of {what}", least) for value in values]


def boxes(regions: Any) -> "list[tuple[list[float], list[float]]]":
    """Centers and sizes of regions of interest."""
    try:
        pairs = [(center, size) for center, size in regions]
    except (TypeError, ValueError):
        raise _itksam.Error(f"regions is {regions!r}, expected a list of (center, size), each in mm") from None
    return [(floats(center, "the center of a region"), floats(size, "the size of a region")) for center, size in pairs]


def path(value: Any, what: str) -> str:
    """The path of a file or folder."""
    found = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(found, str):
        raise _itksam.Error(f"{what} is a {type(value).__name__}, expected a path")
    return found


def texts(values: Any, what: str) -> "list[str]":
    """A list of paths or words; one alone is a list, too."""
    if isinstance(values, (str, os.PathLike)):
        values = [values]
    if not hasattr(values, "__iter__"):
        raise _itksam.Error(f"{what} is a {type(values).__name__}, expected a list")
    return [path(value, f"one of {what}") for value in values]
