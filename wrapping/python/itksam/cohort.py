# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""A cohort, here or over a Dask cluster."""

from __future__ import annotations

import functools
import os
import pathlib
import threading
import time
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Optional, Union

from ._arguments import PathLike, path as as_path, texts, whole
from ._library import _itksam
from .model import Model, SetNumberOfThreads, as_models
from .segmentation import SegmentFile, _by_label

_lock = threading.Lock()
# What is written beside the label map, a folder of files with these endings each; probabilities have one for each label.
_FILES = {"statistics": ".json", "preview": ".png", "uncertainty": ".nrrd"}


class CohortCase(NamedTuple):
    """What became of a case."""

    name: str
    image: str
    output: str
    status: str  #: segmented, skipped or failed
    seconds: float
    message: str  #: the mistake of a case that failed


@functools.lru_cache(maxsize=4)
def _read_once(path: str, device: str, precision: str, stamp: "tuple[int, int]") -> Model:
    return Model(path, device, precision)


def _read(path: str, device: str, precision: str) -> Model:
    """Anew where the file has changed."""
    try:
        status = os.stat(path)
    except OSError:
        raise _itksam.Error(f"{path}: no such file") from None
    return _read_once(path, device, precision, (status.st_mtime_ns, status.st_size))


def _segment_case(
    name: str,
    image: str,
    output: str,
    model: "list[Union[Model, tuple[str, str, str]]]",
    threads: int,
    skip_existing: bool,
    options: "dict[str, Any]",
) -> CohortCase:
    start = time.monotonic()
    files = [output, *(options[key] for key in _FILES if options.get(key)), *options["probability"].values()]
    if skip_existing and all(os.path.exists(file) and os.path.getsize(file) > 0 for file in files):
        return CohortCase(name, image, output, "skipped", 0.0, "")
    try:
        with _lock:  # one thread reads the model for all of its process
            if threads:
                SetNumberOfThreads(threads)
            models = [each if isinstance(each, Model) else _read(*each) for each in model]
        SegmentFile(image, output, models, **options)
    except _itksam.Error as error:
        return CohortCase(name, image, output, "failed", time.monotonic() - start, str(error))
    return CohortCase(name, image, output, "segmented", time.monotonic() - start, "")


def _count_channels(model: "Union[str, Model]") -> int:
    return len((model if isinstance(model, Model) else _read(os.path.abspath(model), "cpu", "float32")).channels)


def _name_cases(cases: Any, output: str, model: "Union[str, Model]") -> "dict[str, str]":
    """Paths by the names of cases."""
    if isinstance(cases, Mapping):
        return {str(name): os.path.abspath(as_path(path, "a case")) for name, path in cases.items()}
    if isinstance(cases, (str, os.PathLike)):
        found = [
            (path, path if labels == output else labels)  # of one file or series the output would be the file
            for path, labels in _itksam.find_cases(as_path(cases, "cases"), output, _count_channels(model))
        ]
    else:
        found = [(path, path) for path in texts(cases, "cases")]
    named: "dict[str, str]" = {}
    for path, labels in found:
        name = pathlib.Path(labels).name
        # the folder of a series may be named by numbers with points
        for known in () if os.path.isdir(labels) else (".nii.gz", ".seg.nrrd", pathlib.Path(name).suffix):
            if known and name.lower().endswith(known.lower()):
                name = name[: -len(known)]
                break
        if labels == path:
            name = name.removesuffix("_0000")  # the first channel's number, as of files in a folder
        if name in named:
            raise _itksam.Error(f"{path}: a second case '{name}', expected different names, or names with paths")
        named[name] = os.path.abspath(path)
    return named


def _make_folder(path: Any, what: str) -> pathlib.Path:
    folder = pathlib.Path(as_path(path, what)).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        raise _itksam.Error(f"{folder}: cannot be made, expected a folder for several files") from None
    return folder


def SegmentCohort(
    cases: "Union[PathLike, Mapping[str, PathLike], Iterable[PathLike]]",
    model: Any,
    output: PathLike,
    *,
    client: Any = None,
    ending: str = ".nii.gz",
    skip_existing: bool = False,
    threads: int = 0,
    device: str = "auto",
    precision: str = "float32",
    progress: Optional[Callable[[CohortCase], Any]] = None,
    **options: Any,
) -> "list[CohortCase]":
    """Segment many image files into the folder output, one file NAME + ending each. A broken case stops no other.

    cases: a folder of images or a text file (.txt) with the path of an image in each line, as sam-segment takes them, or
    paths (files, or folders of DICOM series), or names with paths. model: a file, a Model, or several of them.
    client: a dask.distributed.Client; its workers must see the same files, and each process reads the model once. None:
    one after the other here. threads: of each process, 0: as it is. progress: called with each case as it is done.
    skip_existing: leave out cases whose label map, and all else that is asked for of a case, are there.
    options: those of SegmentFile(). statistics, preview, uncertainty and each entry of probability are folders, of files
    NAME.json, NAME.png and NAME.nrrd.
    """
    folder = _make_folder(output, "output")
    read = as_models(model)
    named = _name_cases(cases, str(folder), read[0])
    threads = whole(threads, "threads")
    files = {key: _make_folder(options[key], key) for key in _FILES if options.get(key)}
    maps = {
        label: _make_folder(path, "a folder of probability")
        for label, path in _by_label(options.get("probability", {})).items()
    }
    told = [
        (os.path.abspath(each), device, precision)
        if not isinstance(each, Model)
        else each
        if client is None
        else (each._get_file(), each.device, each.precision)
        for each in read
    ]
    for each in told:
        if isinstance(each, tuple) and not os.path.exists(each[0]):
            raise _itksam.Error(f"{each[0]}: no such file")

    def arguments(name: str) -> "tuple[Any, ...]":
        own = dict(options)
        own.update({key: str(path / (name + _FILES[key])) for key, path in files.items()})
        own["probability"] = {label: str(path / (name + ".nrrd")) for label, path in maps.items()}
        return name, named[name], str(folder / (name + ending)), told, threads, skip_existing, own

    done: "dict[str, CohortCase]" = {}

    def take(case: CohortCase) -> None:
        done[case.name] = case
        if progress is not None:
            progress(case)

    if client is None:
        for name in named:
            take(_segment_case(*arguments(name)))
    else:
        from dask.distributed import as_completed

        futures = [client.submit(_segment_case, *arguments(name), pure=False) for name in named]
        try:
            for future in as_completed(futures):
                take(future.result())
        finally:
            client.cancel(futures)
    return [done[name] for name in named]
