# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""Loads the extension on the LibTorch of the installed torch."""

import ctypes
import importlib.util
import pathlib
import re
import sys

from ._build import TORCH_VERSION


def check_torch(found: str) -> None:
    """ImportError unless this version of torch is the one that the extension was compiled with."""
    if found.split("+")[0] != TORCH_VERSION:
        raise ImportError(
            f"itksam was compiled with torch {TORCH_VERSION}, found torch {found}: "
            f"build it again ('pip install --force-reinstall --no-deps' of wrapping/python), or install torch=={TORCH_VERSION}"
        )


def load_torch() -> None:
    """Load LibTorch. Importing torch would do so, too, in eight times the time."""
    torch = sys.modules.get("torch")
    if torch is not None:
        check_torch(torch.__version__)
        return
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"itksam needs torch {TORCH_VERSION}, which is not installed: run 'pip install torch=={TORCH_VERSION}'")
    folder = pathlib.Path(spec.submodule_search_locations[0])
    version = re.search(r"__version__.*=\s*['\"]([^'\"]+)", (folder / "version.py").read_text())
    check_torch(version.group(1) if version else "of no version")
    try:
        ctypes.CDLL(str(folder / "lib" / ("libtorch.dylib" if sys.platform == "darwin" else "libtorch.so")))
    except OSError:
        import torch  # noqa: F401  knows where the wheels of CUDA's libraries are


load_torch()

from . import _itksam  # noqa: E402
