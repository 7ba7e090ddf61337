# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""A model file and what it says about itself."""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple, Optional, Union

from ._arguments import path as as_path, whole
from ._library import _itksam


class Label(NamedTuple):
    """What a value of a label map stands for."""

    value: int
    name: str
    color: "tuple[int, int, int]"  #: red, green and blue, 0 to 255


class Model:
    """A network with its plan, read from one file and held on one device. It does not change: filters may share it.

    path: a model file (.safetensors) or a published checkpoint of SAM, MobileSAM, MedSAM, HQ-SAM or DAPSAM.
    device: auto (a CUDA device when there is one), cpu, cuda or cuda:N.
    precision: float32, bfloat16, int8 (cpu alone), or auto, which measures.
    """

    def __init__(self, path: "Union[str, os.PathLike[str]]", device: str = "auto", precision: str = "float32"):
        self._model = _itksam.Model.read(as_path(path, "model"), str(device), str(precision))
        self._file: Optional[str] = os.path.abspath(as_path(path, "model"))  # wherever the process goes

    @classmethod
    def FromPlan(cls, plan: "dict[str, Any]", seed: int = 0) -> "Model":
        """A model of a plan, with random weights that are the same for the same seed: a start for training."""
        model = cls.__new__(cls)
        model._model = _itksam.Model.from_plan(json.dumps(plan), whole(seed, "seed"))
        model._file = None
        return model

    def Write(self, path: "Union[str, os.PathLike[str]]") -> None:
        """Write a model file, complete or not at all."""
        self._model.write(as_path(path, "path"))
        self._file = self._file or os.path.abspath(as_path(path, "path"))

    def On(self, device: str, precision: str = "float32") -> "Model":
        """The same model read again to another device or precision."""
        return Model(self._get_file(), device, precision)

    def _get_file(self) -> str:
        if self._file is None:
            raise _itksam.Error("the model has no file yet, expected Write() before")
        return self._file

    def __reduce__(self) -> Any:
        return Model, (self._get_file(), self.device, self.precision)

    def __repr__(self) -> str:
        return f"Model({self.path!r}, device={self.device!r}, precision={self.precision!r})"

    @property
    def path(self) -> str:
        """The file."""
        return self._model.path

    @property
    def device(self) -> str:
        """Where it computes: cpu, cuda:0."""
        return self._model.device

    @property
    def precision(self) -> str:
        """What the encoder's linear layers compute with."""
        return self._model.precision

    @property
    def info(self) -> "dict[str, Any]":
        """The whole plan: network, preprocessing, labels, provenance."""
        return json.loads(self._model.plan)

    @property
    def labels(self) -> "list[Label]":
        """What the values of its label maps stand for, the background first."""
        return [
            Label(value, name, (red, green, blue))
            for value, name, (red, green, blue) in zip(
                self._model.label_values, self._model.label_names, self._model.label_colors
            )
        ]

    @property
    def channels(self) -> "list[str]":
        """Names of the input channels."""
        return self._model.channels

    @property
    def dimension(self) -> int:
        """2 when it looks at single slices, else 3."""
        return self._model.dimension

    @property
    def orientation(self) -> str:
        """Where the axes of its voxels point ("LPS"), or "acquisition": as stored."""
        return self._model.orientation

    @property
    def interpolation(self) -> str:
        """How it reads an image between its voxels: linear, nearest, cubic or nnunet."""
        return self._model.interpolation

    @property
    def spacing(self) -> "tuple[float, ...]":
        """Of its voxels in mm; 0 keeps the image's own."""
        return tuple(self._model.spacing)

    @property
    def window_size(self) -> "tuple[int, ...]":
        """Voxels of a window, x first."""
        return tuple(self._model.window_size)

    @property
    def is_promptable(self) -> bool:
        """Whether it segments what points, boxes or masks point at (SAM), instead of prompting itself."""
        return self._model.is_promptable

    @property
    def has_prototypes(self) -> bool:
        """Whether it prompts itself by prototypes (DAPSAM)."""
        return self._model.has_prototypes


def as_models(model: Any) -> "list[Union[str, Model]]":
    """The model, or several of them: each a Model or the path of a file."""
    models = [model] if isinstance(model, (str, os.PathLike, Model)) else model
    if not isinstance(models, (list, tuple)):
        raise _itksam.Error(f"model is a {type(model).__name__}, expected a file, a Model, or a list of them")
    if not models:
        raise _itksam.Error("no model is given")
    return [each if isinstance(each, Model) else as_path(each, "model") for each in models]


def SetNumberOfThreads(number: int) -> None:
    """Threads on the processor, of LibTorch (torch's own, too) and ITK. On a busy machine 1 is best."""
    _itksam.set_number_of_threads(whole(number, "number"))


def GetNumberOfThreads() -> int:
    """Threads of LibTorch on the processor."""
    return _itksam.get_number_of_threads()
