# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""The stages of SegmentationImageFilter, one at a time: resample, encode, prompt, classify."""

from __future__ import annotations

import os
from typing import Any, Callable, Sequence, Union

import numpy as np

from ._arguments import Numbers, floats, path as as_path, whole
from ._images import as_picture, make_simpleitk
from ._library import _itksam
from ._process import ModelFilter


class ResampleImageFilter(ModelFilter):
    """Brings an image to the grid and the intensities that a model expects; answers a vector image of float32."""

    def __init__(self) -> None:
        super().__init__()
        self._region: "tuple[list[float], list[float]]" = ([], [])
        self._interpolation = ""

    def SetRegionOfInterest(self, center: Numbers, size: Numbers) -> None:
        """Set a box along the axes of the physical space, center and size in mm. Default: the whole image."""
        self._region = (floats(center, "the center of the region"), floats(size, "the size of the region"))

    def ClearRegionOfInterest(self) -> None:
        """Take the whole image."""
        self._region = ([], [])

    def SetInterpolation(self, word: str) -> None:
        """Set how the image is read between its voxels: linear, nearest, cubic, nnunet, or "", the default, for what the
        model says. nnunet is cubic, and takes the nearest slice along an axis of coarse slices."""
        self._interpolation = str(word)

    def GetInterpolation(self) -> str:
        """The word that was set, "" for what the model says."""
        return self._interpolation

    def Execute(self, image: Any, **geometry: Any) -> Any:
        """The image on the model's grid. The keywords are those of SegmentationImageFilter."""
        picture = as_picture(image, **geometry)
        return picture.make(
            _itksam.resample(
                self._process, picture.image, self.GetModel()._model, *self._region, self._interpolation
            )
        )


class EncoderImageFilter(ModelFilter):
    """The heavy stage: turns what ResampleImageFilter answered into its embedding, a vector image on the grid of tokens.

    The embedding has one voxel per patch: the image's spacing times the patch along x and y, its origin in the center
    of the first patch. It can be written and read as any image (float32) and moved to another machine.
    """

    def __init__(self) -> None:
        super().__init__()
        self._window = -1

    def SetWindow(self, window: int) -> None:
        """Set which of the model's windows over the image is encoded, from 0; -1, the default: the image as one."""
        self._window = whole(window, "window", -1)

    def GetWindow(self) -> int:
        """The window that is encoded, -1: the image as one."""
        return self._window

    def GetNumberOfWindows(self, image: Any, **geometry: Any) -> int:
        """Windows of the model over what ResampleImageFilter answered."""
        return _itksam.count_windows(as_picture(image, **geometry).image, self.GetModel()._model)

    def Execute(self, image: Any, **geometry: Any) -> Any:
        """The embedding. The keywords are those of SegmentationImageFilter."""
        picture = as_picture(image, **geometry)
        return picture.make(_itksam.encode(self._process, picture.image, self.GetModel()._model, self._window))


class Prompts:
    """What AutoPromptImageFilter generated: in each slice N queries, each a mask, a box and a class token."""

    def __init__(self, prompts: _itksam.Prompts, make: Callable[[Any], Any]) -> None:
        self._prompts = prompts
        self._make = make

    @classmethod
    def Read(cls, path: "Union[str, os.PathLike[str]]") -> "Prompts":
        """Read what Write() or sam-auto-prompt wrote; its masks are SimpleITK images."""
        return cls(_itksam.Prompts.read(as_path(path, "path")), make_simpleitk)

    def Write(self, path: "Union[str, os.PathLike[str]]") -> None:
        """Write all prompts with their geometry to a file (.safetensors), complete or not at all."""
        self._prompts.write(as_path(path, "path"))

    def GetNumberOfQueries(self) -> int:
        """N, queries of each slice."""
        return self._prompts.queries

    def GetMasks(self) -> Any:
        """Logits of the masks, one component per query, on the grid of the image's voxels, padded to whole patches."""
        return self._make(self._prompts.masks())

    def GetBoxes(self) -> np.ndarray:
        """Opposite corners of the boxes, slices x queries x 2 x coordinates: mm (LPS), at the outer edges of the voxels."""
        return self._prompts.boxes()

    def GetClassTokens(self) -> np.ndarray:
        """Class tokens, slices x queries x channels, float32."""
        return self._prompts.class_tokens()

    def __repr__(self) -> str:
        return f"Prompts({self.GetNumberOfQueries()} queries)"


class AutoPromptImageFilter(ModelFilter):
    """Generates prompts from an embedding, with nothing drawn by hand (MaskSAM)."""

    def Execute(self, embedding: Any, **geometry: Any) -> Prompts:
        """The prompts. The keywords are those of SegmentationImageFilter; an array needs is_vector=True."""
        picture = as_picture(embedding, **geometry)
        return Prompts(_itksam.auto_prompt(self._process, picture.image, self.GetModel()._model), picture.make)


class PrototypePromptImageFilter(ModelFilter):
    """Generates a dense prompt from an embedding with the prototypes that a model has learned (DAPSAM)."""

    def __init__(self) -> None:
        super().__init__()
        self._similarity: Any = None
        self._addresses: "list[list[float]]" = []

    def Execute(self, embedding: Any, **geometry: Any) -> Any:
        """The dense prompt, a vector image on the embedding's grid. Keywords as for AutoPromptImageFilter."""
        picture = as_picture(embedding, **geometry)
        prompt, similarity, self._addresses = _itksam.prototype_prompt(
            self._process, picture.image, self.GetModel()._model
        )
        self._similarity = picture.make(similarity)
        return picture.make(prompt)

    def GetSimilarity(self) -> Any:
        """Of the last run, where the model expects what it looks for: the cosine of the slice's mixture of prototypes
        and the embedding at each token, -1 to 1."""
        return self._similarity

    def GetAddresses(self) -> np.ndarray:
        """Of each slice of the last run the shares of the prototypes in its mixture, with sum 1: slices x prototypes."""
        return np.array(self._addresses, np.float32)


class MaskClassificationImageFilter(ModelFilter):
    """Turns an embedding and its prompts into the probability of each label at each voxel."""

    def Execute(self, embedding: Any, prompts: Any = None, **geometry: Any) -> Any:
        """The probabilities: a vector image on the grid of the image's voxels, padded to whole patches, with one
        component per label of the model, in the order of Model.labels.

        prompts: the Prompts of AutoPromptImageFilter, the dense prompt of PrototypePromptImageFilter, or None for models
        without prompts. The keywords are those of SegmentationImageFilter, for arrays of the embedding and of the dense
        prompt, with is_vector=True.
        """
        picture = as_picture(embedding, **geometry)
        is_dense = prompts is not None and not isinstance(prompts, Prompts)
        dense = as_picture(prompts, **geometry) if is_dense else None
        return picture.make(
            _itksam.classify(
                self._process,
                picture.image,
                self.GetModel()._model,
                prompts._prompts if isinstance(prompts, Prompts) else None,
                dense.image if dense else None,
            )
        )

    def ChooseLabels(self, probabilities: Any, **geometry: Any) -> Any:
        """The label map of the largest probability at each voxel, the first of equals: 8 bits, or 16 where needed."""
        picture = as_picture(probabilities, **geometry)
        source = picture.image
        values = np.array([label.value for label in self.GetModel().labels], np.uint16)
        if not source.is_vector or picture.array.shape[-1] != len(values):
            raise _itksam.Error(f"the image has not one component for each of the model's {len(values)} labels")
        chosen = values[picture.array.argmax(axis=-1)]
        return picture.like((chosen, source.spacing, source.origin, source.direction, False))
