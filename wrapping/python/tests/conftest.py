# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""What the tests share. The build tree, which has the programs, is in SEGMENTANYTHING_BUILD."""

import os
import pathlib
import subprocess

import numpy as np
import pytest
import SimpleITK as sitk

import itksam

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
HIPPOCAMPUS = REPOSITORY / "examples" / "models" / "hippocampus.safetensors"
CARDIAC = REPOSITORY / "examples" / "models" / "cardiac.safetensors"
LUNG = REPOSITORY / "examples" / "models" / "lung_xray.safetensors"

itksam.SetNumberOfThreads(1)


def make_image(pixel_type=sitk.sitkInt16, size=(24, 30, 20)):
    """Smooth structures of any pixel type, oblique."""
    generator = np.random.default_rng(0)
    image = sitk.GetImageFromArray(generator.uniform(0, 100, size[::-1]).astype(np.float32))
    image = sitk.Cast(sitk.RescaleIntensity(sitk.SmoothingRecursiveGaussian(image, 3.0), 0, 100), pixel_type)
    image.SetSpacing((1.0, 1.1, 1.2)[: len(size)])
    image.SetOrigin((-10.0, 5.0, 20.0)[: len(size)])
    if len(size) == 3:
        angle = 0.1
        image.SetDirection((np.cos(angle), -np.sin(angle), 0, np.sin(angle), np.cos(angle), 0, 0, 0, 1))
    return image


@pytest.fixture(scope="session")
def model():
    return itksam.Model(HIPPOCAMPUS, device="cpu")


@pytest.fixture(scope="session")
def image():
    folder = REPOSITORY.parent / "shared" / "data" / "hippocampus" / "imagesTr"
    files = sorted(folder.glob("*.nii.gz")) if folder.is_dir() else []
    return sitk.ReadImage(str(files[0])) if files else make_image(sitk.sitkFloat32)


@pytest.fixture(scope="session")
def run():
    """Run a program of the build tree."""
    folder = pathlib.Path(os.environ["SEGMENTANYTHING_BUILD"]) / "bin"

    def run_program(name, *arguments, check=True):
        environment = dict(os.environ, OMP_NUM_THREADS="1")
        return subprocess.run(
            [folder / name, *map(str, arguments)], capture_output=True, text=True, check=check, env=environment
        )

    return run_program


@pytest.fixture(scope="session")
def promptable():
    """A small SAM with random weights, whose square has 32 x 32 pixels."""
    channel = {"normalization": "display", "mean": 120.0, "deviation": 57.0}
    return itksam.Model.FromPlan(
        {
            "version": 1,
            "stem": {"type": "none", "widths": []},
            "encoder": {
                "type": "vit",
                "width": 16,
                "depth": 2,
                "heads": 2,
                "mlp_ratio": 4.0,
                "patch": 4,
                "attention_window": 3,
                "global_blocks": [1],
                "grid": [8, 8],
                "neck": 16,
            },
            "adaptation": [],
            "slices": 1,
            "prompt_source": {"type": "manual"},
            "decoder": {
                "type": "sam",
                "depth": 2,
                "heads": 2,
                "mlp_width": 16,
                "mask_prompt_channels": 4,
                "upscaling_steps": 2,
                "refines_masks": False,
                "multimasks": 3,
                "iou_head_depth": 2,
                "iou_head_width": 8,
            },
            "driver": {"window": [32, 32, 1], "overlap": [0.0, 0.0, 0.0]},
            "preprocessing": {
                "fit": "longest_side",
                "orientation": "acquisition",
                "spacing": [0.0, 0.0, 0.0],
                "channels": [{"name": name, **channel} for name in ("red", "green", "blue")],
            },
            "labels": [{"value": 0, "name": "background"}, {"value": 1, "name": "object"}],
        },
        seed=3,
    )
