# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""Training and pretraining."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional, Sequence, TypedDict, Union

from ._arguments import PathLike, path as as_path, texts, whole, wholes
from ._library import _itksam

if TYPE_CHECKING:
    from typing_extensions import Unpack


class RunOptions(TypedDict, total=False):
    """What training and pretraining are told, beside what: the options of the programs with underscores."""

    resume: bool  #: go on with the run in the run folder; begin it where there is none
    cache: PathLike  #: folder of prepared cases, which runs may share; "none": nowhere. Default: in the run folder
    epochs: int  #: passes over the training cases. Default: no limit where steps or max_minutes is given, else 100
    steps: int  #: of the whole run. Default: no limit
    max_minutes: float  #: of this call; the learning rate falls with it. Default: no limit
    seed: int  #: of everything that is random. Default: 0
    batch: int  #: windows of one pass. Default: 2, of pretraining 8
    accumulate: int  #: passes whose gradients make one step. Default: 1
    learning_rate: float  #: the highest. Default: 0.002, of pretraining 0.001
    optimizer: str  #: adamw (default) or sgd, with Nesterov's momentum of 0.99
    schedule: str  #: how it falls: cosine (default), polynomial or dapsam
    weight_decay: float  #: how fast weights fall to 0, times the learning rate. Default: 0.01, of pretraining 0.05
    gradient_norm: float  #: the longest gradient; longer ones are scaled. Default: 1
    averaging_decay: float  #: of the moving average of the weights that is kept; 0: the weights. Default: 0.995
    precision: str  #: float32 (default) or bfloat16
    augmentation: str  #: compact (default), masksam, slaug or none
    augment_frame: float  #: share of the windows that shrink into a black frame, 0 to 1. Default: 0
    augment_zoom: float  #: share of the windows that are scaled in plane by 0.7 to 1.4. Default: 0, 0.2 with masksam
    mirror: Sequence[int]  #: axes along which half of the windows are mirrored. Default: none, all with masksam
    save_interval: float  #: minutes between savings of the state; 0: after every step. Default: 5
    loaders: int  #: threads that make windows; they change no result. Default: 1
    device: str  #: auto (default), cpu, cuda or cuda:N
    threads: int  #: 0, the default: one for each processor


class TrainOptions(RunOptions, total=False):
    """What training is told."""

    plan: PathLike  #: masksam (default), dapsam, unet, a published network, or a JSON file, as of sam-train
    change_plan: "Union[str, Mapping[str, Any]]"  #: merged into the plan (RFC 7386)
    initialize: PathLike  #: a checkpoint or model file to start from
    freeze_encoder: bool  #: train nothing of the encoder that initialize brings but its adapters
    window: "tuple[int, int, int]"  #: voxels of the planned network's window, x, y, z. Default: from the data
    frame: str  #: what the planned network does with a black frame: remove, keep or auto (default)
    nest_labels: bool  #: the labels of dapsam or unet are nested, each one contains those after it: disc and cup
    without: "Union[str, Sequence[str]]"  #: parts to leave out of the plan dapsam: adapters, prototypes
    split: PathLike  #: nnU-Net's splits_final.json. Default: a random fifth of the patients is for validation
    train_sites: "Union[str, Sequence[str]]"  #: train and validate on the cases of these sites alone
    sites: PathLike  #: table (CSV) with the site of each case. Default: sites.csv beside dataset.json
    patience: int  #: end after so many validations in a row without a better Dice. Default: 0, never
    mirror_validation: bool  #: validate on the mean over the mirrored axes
    foreground: float  #: share of the windows around a foreground voxel. Default: from the data
    validation_interval: int  #: epochs between validations. Default: 5


class PretrainOptions(RunOptions, total=False):
    """What pretraining is told."""

    method: str  #: masked (default), regions, or both by turns
    labels: PathLike  #: folder of label maps, named as the images, whose labels are regions, too
    exclude: "Union[str, Sequence[str]]"  #: patterns of files that are not opened, or .txt files with them
    train_sites: "Union[str, Sequence[str]]"  #: learn from the images of these sites alone
    sites: PathLike  #: table (CSV) with the site of each image. Default: sites.csv in a folder or beside it
    hidden: float  #: share of the tokens that are hidden. Default: 0.7
    slices: int  #: of a volume that a plan of single slices learns from; 0: all. Default: 8


_LISTS = ("without", "train_sites", "images", "exclude")
_PATHS = ("dataset", "output", "cache", "plan", "initialize", "split", "sites", "labels")


def _tell(told: Any, values: "Mapping[str, Any]", known: "set[str]", what: str) -> None:
    """Set the options of a run."""
    for name, value in values.items():
        if name not in known:
            raise _itksam.Error(f"'{name}' is no option of {what}, expected one of {', '.join(sorted(known))}")
        if name in _LISTS:
            value = texts(value, name)
        elif name in _PATHS:
            value = as_path(value, name)
        elif name == "mirror":
            value = wholes(value, name)
        try:
            if name == "max_minutes" and not value > 0:
                raise _itksam.Error(f"max_minutes: {value!r}, expected more than 0")
            if name == "change_plan" and not isinstance(value, str):
                value = json.dumps(value)
            setattr(told, name, value)
        except TypeError:
            raise _itksam.Error(f"{name}: {value!r} is a {type(value).__name__}, which does not fit") from None
    if "mirror" not in values:
        told.mirror = _itksam.get_mirror_axes(told.augmentation)


def _run(
    function: Any, told: Any, progress: Optional[Callable[[Any], Any]], note: Optional[Callable[[str], Any]]
) -> "_itksam.TrainingResult":
    ignore = lambda *_: None  # noqa: E731
    return function(told, progress or ignore, note or ignore, lambda text: warnings.warn(text, stacklevel=4))


def Train(
    dataset: PathLike,
    output: PathLike,
    *,
    fold: "Union[int, tuple[int, int], None]" = None,
    progress: "Optional[Callable[[_itksam.TrainingProgress], Any]]" = None,
    note: Optional[Callable[[str], Any]] = None,
    **options: "Unpack[TrainOptions]",
) -> "_itksam.TrainingResult":
    """Train a network on a data set with a dataset.json (Medical Segmentation Decathlon or nnU-Net), as sam-train does.

    The run folder output gets model.safetensors (best validation Dice), last.safetensors, resume.safetensors, log.csv,
    report.html and split.json. Ctrl-C, or what progress raises, saves the state first; resume=True goes on from there.

    fold: an entry of split, or (k, n): part k of n, by patient.
    progress: called with a TrainingProgress after every step and validation. note: called with what was decided, and why.
    options: those of sam-train with underscores, as TrainOptions describes them: plan, change_plan, initialize,
    freeze_encoder, window (x, y, z), frame, nest_labels, without, split, train_sites, sites, cache, epochs, steps,
    max_minutes, patience, seed, batch, accumulate, optimizer, learning_rate, schedule, weight_decay, gradient_norm,
    averaging_decay, precision, augmentation, augment_frame, augment_zoom, mirror (axes), mirror_validation,
    foreground, validation_interval, save_interval, loaders, device, threads, resume.
    """
    told = _itksam.TrainingOptions()
    values: "dict[str, Any]" = dict(options, dataset=dataset, output=output)
    _tell(told, values, {"dataset", "output", *TrainOptions.__annotations__}, "training")
    if fold is not None:
        is_pair = isinstance(fold, (tuple, list)) and len(fold) == 2
        if isinstance(fold, (str, bytes)) or is_pair == ("split" in values):
            raise _itksam.Error(f"fold is {fold!r}, expected the number of an entry of split, or (k, n) without split")
        told.fold, told.folds = (whole(part, "fold") for part in (fold if is_pair else (fold, 0)))  # type: ignore
    return _run(_itksam.train, told, progress, note)


def Pretrain(
    images: "Union[PathLike, Sequence[PathLike]]",
    output: PathLike,
    plan: PathLike,
    *,
    progress: "Optional[Callable[[_itksam.TrainingProgress], Any]]" = None,
    note: Optional[Callable[[str], Any]] = None,
    **options: "Unpack[PretrainOptions]",
) -> "_itksam.TrainingResult":
    """Train the encoder of a compact network on images without labels, as sam-pretrain does.

    The run folder output gets model.safetensors, which Train(initialize=...) starts from, resume.safetensors and log.csv.
    Ctrl-C, or what progress raises, saves the state first; resume=True goes on from there.

    images: one folder or several, with everything below them. plan: a JSON file, or a model file, of which the plan alone
    is taken. progress and note are those of Train().
    options: those of sam-pretrain with underscores, as PretrainOptions describes them: method, labels, exclude,
    train_sites, sites, hidden, slices, cache, epochs, steps, max_minutes, seed, batch, accumulate, optimizer,
    learning_rate, schedule, weight_decay, gradient_norm, averaging_decay, precision, augmentation, augment_frame,
    augment_zoom, mirror (axes), save_interval, loaders, device, threads, resume.
    """
    told = _itksam.PretrainingOptions()
    values: "dict[str, Any]" = dict(options, images=images, output=output, plan=plan)
    _tell(told, values, {"images", "output", "plan", *PretrainOptions.__annotations__}, "pretraining")
    return _run(_itksam.pretrain, told, progress, note)
