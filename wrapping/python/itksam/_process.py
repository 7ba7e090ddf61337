# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""What all filters have in common: events, progress, how they are stopped, the model."""

from __future__ import annotations

import weakref
from typing import Any, Callable, Optional, Union

from ._arguments import PathLike, path as as_path
from ._library import _itksam
from .model import Model

# SimpleITK's numbers, so that its constants can be given, too.
sitkAnyEvent = 0
sitkAbortEvent = 1
sitkEndEvent = 3
sitkProgressEvent = 5
sitkStartEvent = 6
_EVENTS = {"Abort": sitkAbortEvent, "End": sitkEndEvent, "Progress": sitkProgressEvent, "Start": sitkStartEvent}


_HIDDEN = ("_answered", "_commands", "_lock", "_process")


class ProcessObject:
    """Events and progress in SimpleITK's manner.

    Other Python threads run while a filter computes. Ctrl-C and Abort() stop it between two blocks of the network.
    """

    def __init__(self) -> None:
        self._commands: "list[tuple[int, Callable[[], Any]]]" = []
        this = weakref.ref(self)  # the extension's objects are not seen by the collector of cycles
        self._process = _itksam.Process(lambda event: this()._notify(event))  # type: ignore[union-attr]

    def _notify(self, event: str) -> None:
        for expected, command in list(self._commands):
            if expected in (sitkAnyEvent, _EVENTS[event]):
                # SimpleITK's commands, too, which have Execute()
                (command if callable(command) else command.Execute)()

    def AddCommand(self, event: int, command: Callable[[], Any]) -> int:
        """Have command called without arguments at each event: itksam.sitkProgressEvent and so on, or SimpleITK's."""
        self._commands.append((int(event), command))
        return len(self._commands) - 1

    def RemoveAllCommands(self) -> None:
        """Forget all commands."""
        self._commands.clear()

    def HasCommand(self, event: int) -> bool:
        """Whether a command was added for this event."""
        return any(expected == event for expected, _ in self._commands)

    def GetProgress(self) -> float:
        """The fraction done of the current or last run, 0 to 1."""
        return self._process.progress

    def Abort(self) -> None:
        """Stop the current run, from a command or another thread: Execute() raises itksam.Aborted."""
        self._process.abort()

    def __copy__(self) -> Any:
        raise _itksam.Error(f"a {self.GetName()} cannot be copied, make another one")

    def __deepcopy__(self, memo: Any) -> Any:
        return self.__copy__()

    def __reduce__(self) -> Any:
        return self.__copy__()

    def GetName(self) -> str:
        """The name of the class."""
        return type(self).__name__

    def __repr__(self) -> str:
        values = {key.strip("_"): value for key, value in vars(self).items() if key not in _HIDDEN}
        return f"{self.GetName()}({', '.join(f'{key}={value!r}' for key, value in values.items())})"


class ModelFilter(ProcessObject):
    """A filter that computes with a model."""

    def __init__(self) -> None:
        super().__init__()
        self._model: "Optional[Union[str, Model]]" = None
        self._answered: Any = None  # what GetModel() answered, and to which device and precision
        self._device: Optional[str] = None
        self._precision: Optional[str] = None

    def SetModel(self, model: "Union[PathLike, Model]") -> None:
        """Set the model, or the file to read it from. There is no default."""
        self._model = model if isinstance(model, Model) else as_path(model, "model")

    def GetModel(self) -> Model:
        """The model; it is read here where a file was set."""
        if self._model is None:
            raise _itksam.Error("no model is given")
        told = (self._device, self._precision)
        if (self._model, told) == self._answered:
            return self._model  # type: ignore[return-value]
        if not isinstance(self._model, Model):
            self._model = Model(self._model, self._device or "auto", self._precision or "float32")
        elif (self._device or self._model.device) != self._model.device or (
            self._precision or self._model.precision
        ) != self._model.precision:
            self._model = self._model.On(self._device or self._model.device, self._precision or self._model.precision)
        self._answered = (self._model, told)
        return self._model

    def SetDevice(self, device: str) -> None:
        """Set where the model computes: auto (a CUDA device when there is one), cpu, cuda or cuda:N.

        Default is auto for a file, and where it is for a model."""
        self._device = device

    def GetDevice(self) -> str:
        """What SetDevice() was told, else the model's device."""
        return self._device or (self._model.device if isinstance(self._model, Model) else "auto")

    def SetPrecision(self, precision: str) -> None:
        """Set what the encoder's linear layers compute with: float32 (default), bfloat16, int8 or auto."""
        self._precision = precision
