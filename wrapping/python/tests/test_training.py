# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest
import SimpleITK as sitk

import itksam

OPTIONS = {"window": (16, 16, 8), "batch": 1, "threads": 1, "device": "cpu", "cache": "none", "save_interval": 0.0}


@pytest.fixture
def dataset(tmp_path):
    """Three cases with a bright ball."""
    folder = tmp_path / "data"
    generator = np.random.default_rng(1)
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    for k in range(3):
        place = np.indices((8, 16, 16)).transpose(1, 2, 3, 0) - (4, 8, 7 + k)
        ball = np.linalg.norm(place, axis=-1) < 3.5
        image = (ball * 50 + generator.normal(0, 5, ball.shape)).astype(np.float32)
        sitk.WriteImage(sitk.GetImageFromArray(image), str(folder / "imagesTr" / f"case{k}_0000.nii.gz"))
        sitk.WriteImage(sitk.GetImageFromArray(ball.astype(np.uint8)), str(folder / "labelsTr" / f"case{k}.nii.gz"))
    description = {
        "channel_names": {"0": "MR"},
        "labels": {"background": 0, "ball": 1},
        "numTraining": 3,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(description))
    return folder


def test_a_run_and_its_model(dataset, tmp_path):
    told, notes = [], []
    result = itksam.Train(
        dataset,
        tmp_path / "run",
        epochs=1,
        fold=(0, 3),
        progress=lambda progress: told.append((progress.fraction, progress.validated)),
        note=notes.append,
        **OPTIONS,
    )
    assert result.epochs == 1 and 0.0 <= result.best_mean_dice <= 1.0
    assert told[-1][1] and notes
    model = itksam.Model(tmp_path / "run" / "model.safetensors", device="cpu")
    assert [label.name for label in model.labels] == ["background", "ball"]


def test_what_progress_raises_stops_a_run(dataset, tmp_path):
    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        itksam.Train(dataset, tmp_path / "run", epochs=1, progress=stop, **OPTIONS)
    assert (tmp_path / "run" / "resume.safetensors").exists()


def test_mistakes(dataset, tmp_path):
    with pytest.raises(itksam.Error, match="schedule 'square' is not known"):
        itksam.Train(dataset, tmp_path / "run", schedule="square")
    with pytest.raises(itksam.Error, match="'rate' is no option"):
        itksam.Train(dataset, tmp_path / "run", rate=1)
    with pytest.raises(itksam.Error, match="epochs: 'ten' is a str"):
        itksam.Train(dataset, tmp_path / "run", epochs="ten")
    with pytest.raises(itksam.Error, match="dataset.json"):
        itksam.Train(tmp_path, tmp_path / "run")
