# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""Images of SimpleITK, NumPy and itk to and from the extension, without a copy on the way in."""

from __future__ import annotations

import sys
from typing import Any, Callable, Optional, Sequence

import numpy as np

from ._arguments import Numbers, floats
from ._library import _itksam

# What has no type of its own in the filters; nothing is lost in these but integers above 2^53.
_WIDER = {"bool": np.uint8, "float16": np.float32, "int64": np.float64, "uint64": np.float64}


class Picture:
    """An image of the caller as the extension sees it, and how an image of the same kind is made."""

    def __init__(self, image: _itksam.Image, array: np.ndarray, make: Callable[[Any], Any], keep: Any):
        self.image = image
        self.array = array
        self.make = make
        self._keep = keep  # what owns the buffer

    @property
    def dimension(self) -> int:
        return self.image.dimension

    def like(self, labels: Any) -> Any:
        """A label map of the extension, with 8 bits where they do."""
        array, *geometry = labels
        if array.dtype == np.uint16 and (array.size == 0 or array.max() <= 255):
            array = array.astype(np.uint8)
        return self.make((array, *geometry))


def _prepare(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise _itksam.Error(f"the image's pixels are {array.dtype}, expected real numbers of at most 64 bits")
    array = array.astype(_WIDER[array.dtype.name]) if array.dtype.name in _WIDER else array
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return np.ascontiguousarray(array)


def make_simpleitk(parts: Any) -> Any:
    """A SimpleITK image of the extension's parts."""
    import SimpleITK as sitk

    pixels, spacing, origin, direction, has_components = parts
    result = sitk.GetImageFromArray(pixels, isVector=has_components)
    result.SetSpacing(spacing)
    result.SetOrigin(origin)
    result.SetDirection(direction)
    return result


def _from_simpleitk(image: Any) -> Picture:
    import SimpleITK as sitk

    pixel_type = image.GetPixelIDTypeAsString()
    if "complex" in pixel_type:
        raise _itksam.Error(f"the image's pixels are {pixel_type}, expected real numbers")
    if "label" in pixel_type:  # of which SimpleITK makes no array, but ends the process
        raise _itksam.Error(f"the image's pixels are {pixel_type}, expected numbers: SimpleITK.LabelMapToLabel() makes them")
    if image.GetDimension() not in (2, 3):
        raise _itksam.Error(f"the image has {image.GetDimension()} dimensions, expected 2 or 3")
    is_vector = "vector" in pixel_type
    array = _prepare(sitk.GetArrayViewFromImage(image))
    if is_vector and array.ndim == image.GetDimension():
        array = array[..., np.newaxis]  # SimpleITK leaves the axis of one component out
    described = _itksam.Image(
        array, list(image.GetSpacing()), list(image.GetOrigin()), list(image.GetDirection()), is_vector
    )
    return Picture(described, array, make_simpleitk, image)


def _from_itk(image: Any) -> Picture:
    import itk

    array = _prepare(itk.array_view_from_image(image))
    dimension = image.GetImageDimension()
    direction = itk.array_from_matrix(image.GetDirection())

    def make(parts: Any) -> Any:
        pixels, spacing, origin, cosines, has_components = parts
        result = itk.image_from_array(pixels, is_vector=has_components)
        result.SetSpacing(list(spacing))
        result.SetOrigin(list(origin))
        result.SetDirection(np.reshape(cosines, (dimension, dimension)))
        return result

    index = image.GetBufferedRegion().GetIndex()
    origin = image.TransformIndexToPhysicalPoint(index)  # arrays begin at index 0
    described = _itksam.Image(
        array,
        floats(image.GetSpacing(), "the image's spacing"),
        floats(origin, "the image's origin"),
        direction.ravel().tolist(),
        array.ndim > dimension,
    )
    return Picture(described, array, make, image)


def as_picture(
    image: Any,
    spacing: Optional[Numbers] = None,
    origin: Optional[Numbers] = None,
    direction: Optional[Numbers] = None,
    is_vector: bool = False,
) -> Picture:
    """An image of any kind. The keywords are the geometry of an array, and whether its last axis counts components."""
    sitk = sys.modules.get("SimpleITK")
    if isinstance(image, Picture):
        return image
    if not isinstance(image, np.ndarray):
        if spacing is not None or origin is not None or direction is not None or is_vector:
            raise _itksam.Error("spacing, origin, direction and is_vector are for arrays; an image has its own")
        if sitk is not None and isinstance(image, sitk.Image):
            return _from_simpleitk(image)
        if hasattr(image, "GetBufferedRegion") and hasattr(image, "GetImageDimension"):
            return _from_itk(image)
        raise _itksam.Error(
            f"the image is a {type(image).__name__}, expected a SimpleITK image, a NumPy array or an image of itk"
        )
    array = _prepare(image)
    dimension = array.ndim - (1 if is_vector else 0)
    described = _itksam.Image(
        array,
        floats(spacing if spacing is not None else np.ones(dimension), "the image's spacing"),
        floats(origin if origin is not None else np.zeros(dimension), "the image's origin"),
        floats(np.ravel(direction) if direction is not None else np.eye(dimension).ravel(), "the image's direction"),
        is_vector,
    )
    return Picture(described, array, lambda parts: parts[0], image)


def as_integers(array: np.ndarray, dtype: Any, what: str) -> np.ndarray:
    """The same whole numbers as another type."""
    with np.errstate(invalid="ignore"):
        integers = array.astype(dtype, copy=False)
    if not np.array_equal(integers, array):
        raise _itksam.Error(f"{what}: a value is no integer of {integers.dtype}, expected a label map")
    return integers


def as_picture_of(image: Any, dtype: Any, like: Picture, what: str) -> Picture:
    """An image with integers of dtype for pixels; an array lies where like does."""
    if isinstance(image, np.ndarray):
        source = like.image
        found = as_picture(image, source.spacing, source.origin, source.direction)
    else:
        found = as_picture(image)
    source = found.image
    array = as_integers(found.array, dtype, what)
    described = _itksam.Image(array, source.spacing, source.origin, source.direction, source.is_vector)
    return Picture(described, array, found.make, image)
