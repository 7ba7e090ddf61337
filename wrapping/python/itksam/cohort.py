# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""A cohort, here or over a Dask cluster."""

from __future__ import annotations

import functools
import os
import pathlib
import threading
import time
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Optional, Union

from ._library import _itksam
from .model import Model, SetNumberOfThreads
from .segmentation import SegmentFile

_lock = threading.Lock()


class CohortCase(NamedTuple):
    """What became of a case."""

    name: str
    image: str
    output: str
    status: str  #: segmented, skipped or failed
    seconds: float
    message: str  #: the mistake of a case that failed


@functools.lru_cache(maxsize=4)
def _read(path: str, device: str, precision: str) -> Model:
    return Model(path, device, precision)


def _segment_case(
    name: str,
    image: str,
    output: str,
    model: "list[tuple[str, str, str]]",
    threads: int,
    skip_existing: bool,
    options: "dict[str, Any]",
) -> CohortCase:
    start = time.monotonic()
    if skip_existing and os.path.exists(output):
        return CohortCase(name, image, output, "skipped", 0.0, "")
    try:
        with _lock:  # one thread reads the model for all of its process
            if threads:
                SetNumberOfThreads(threads)
            models = [_read(*each) for each in model]
        SegmentFile(image, output, models, **options)
    except _itksam.Error as error:
        return CohortCase(name, image, output, "failed", time.monotonic() - start, str(error))
    return CohortCase(name, image, output, "segmented", time.monotonic() - start, "")


def SegmentCohort(
    cases: "Union[Mapping[str, Union[str, os.PathLike[str]]], Iterable[Union[str, os.PathLike[str]]]]",
    model: Any,
    output: "Union[str, os.PathLike[str]]",
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

    cases: paths (files, or folders of DICOM series), or names with paths. model: a file, a Model, or several of them.
    client: a dask.distributed.Client; its workers must see the same files, and each process reads the model once. None:
    one after the other here. threads: of each process, 0: as it is. progress: called with each case as it is done.
    options: those of SegmentFile().
    """
    if isinstance(cases, Mapping):
        named = {str(name): os.path.abspath(path) for name, path in cases.items()}
    else:
        named = {}
        for path in cases:
            name = pathlib.Path(path).name
            for known in (".nii.gz", ".seg.nrrd", pathlib.Path(name).suffix):
                if known and name.lower().endswith(known):
                    name = name[: -len(known)]
                    break
            if name in named:
                raise _itksam.Error(f"{path}: a second case '{name}', expected different names, or names with paths")
            named[name] = os.path.abspath(path)
    folder = pathlib.Path(output).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    models = [model] if isinstance(model, (str, os.PathLike, Model)) else list(model)
    told = [
        (each.path, each.device, each.precision)
        if isinstance(each, Model)
        else (os.path.abspath(each), device, precision)
        for each in models
    ]
    for path, *_ in told:
        if not os.path.exists(path):
            raise _itksam.Error(f"{path}: no such file")

    def arguments(name: str) -> "tuple[Any, ...]":
        return name, named[name], str(folder / (name + ending)), told, threads, skip_existing, options

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
