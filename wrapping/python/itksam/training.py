# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""Training."""

from __future__ import annotations

import os
import warnings
from typing import Any, Callable, Optional, Sequence, Union

from ._library import _itksam


def Train(
    dataset: "Union[str, os.PathLike[str]]",
    output: "Union[str, os.PathLike[str]]",
    *,
    fold: "Union[int, tuple[int, int], None]" = None,
    progress: "Optional[Callable[[_itksam.TrainingProgress], Any]]" = None,
    note: Optional[Callable[[str], Any]] = None,
    train_sites: Sequence[str] = (),
    **options: Any,
) -> "_itksam.TrainingResult":
    """Train a network on a data set with a dataset.json (Medical Segmentation Decathlon or nnU-Net), as sam-train does.

    The run folder output gets model.safetensors (best validation Dice), last.safetensors, resume.safetensors, log.csv,
    report.html and split.json. Ctrl-C, or what progress raises, saves the state first; resume=True goes on from there.

    fold: an entry of split, or (k, n): part k of n, by patient.
    progress: called with a TrainingProgress after every step and validation. note: called with what was decided, and why.
    options: those of sam-train with underscores: plan, initialize, window (x, y, z), split, sites, cache, epochs,
    max_minutes, patience, seed, batch, accumulate, learning_rate, schedule, precision, augmentation, mirror (axes),
    mirror_validation, foreground, validation_interval, save_interval, loaders, device, threads, resume.
    """
    told = _itksam.TrainingOptions()
    known = sorted(name for name in dir(told) if not name.startswith("_"))
    values = dict(options, dataset=os.fspath(dataset), output=os.fspath(output), train_sites=list(train_sites))
    split = values.get("split")
    if fold is not None:
        if isinstance(fold, int) == (split is None):
            raise _itksam.Error(f"fold {fold!r}, expected the number of an entry of split, or (k, n) without split")
        values["fold"], values["folds"] = (fold, 0) if isinstance(fold, int) else fold
    for name, value in values.items():
        if name not in known:
            raise _itksam.Error(f"'{name}' is no option of training, expected one of {', '.join(known)}")
        try:
            setattr(told, name, os.fspath(value) if isinstance(value, os.PathLike) else value)
        except TypeError:
            raise _itksam.Error(f"{name}: {value!r} is a {type(value).__name__}, which does not fit") from None
    ignore = lambda *_: None  # noqa: E731
    return _itksam.train(told, progress or ignore, note or ignore, lambda text: warnings.warn(text, stacklevel=2))
