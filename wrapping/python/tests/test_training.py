# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
import json
import re

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import HIPPOCAMPUS

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


def read_tensors(path):
    """The bytes of each tensor of a .safetensors file."""
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    header.pop("__metadata__", None)
    return {name: data[begin + each["data_offsets"][0] : begin + each["data_offsets"][1]] for name, each in header.items()}


def test_options_of_the_program(dataset, tmp_path):
    told = []
    options = {**OPTIONS, "steps": 2, "augment_frame": 0.5, "augment_zoom": 0.5, "change_plan": {"compatibility": ["set_loss_only"]}}
    result = itksam.Train(dataset, tmp_path / "run", note=told.append, **options)
    assert result.steps == 2 and result.loss > 0.0
    model = itksam.Model(tmp_path / "run" / "model.safetensors", device="cpu")
    assert "set_loss_only" in model.info["compatibility"]
    options = {**OPTIONS, "steps": 1, "window": (16, 16, 1)}
    itksam.Train(dataset, tmp_path / "slices", plan="dapsam", without="prototypes", frame="keep", **options)
    without = itksam.Model(tmp_path / "slices" / "model.safetensors", device="cpu")
    assert not without.has_prototypes
    # Of what is started from the encoder stays.
    start = tmp_path / "slices" / "last.safetensors"
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(without.info))
    options = {**OPTIONS, "steps": 1, "initialize": start, "freeze_encoder": True}
    del options["window"]
    itksam.Train(dataset, tmp_path / "frozen", plan=plan, **options)
    before, after = read_tensors(start), read_tensors(tmp_path / "frozen" / "last.safetensors")
    changed = {name for name in after if name in before and before[name] != after[name]}
    assert changed and not any(name.startswith("image_encoder.") and "dapter" not in name for name in changed)


def test_pretraining(dataset, tmp_path, model):
    told = []
    options = {**OPTIONS, "steps": 2, "exclude": "case2*", "hidden": 0.5, "progress": told.append}
    del options["window"]
    result = itksam.Pretrain(dataset / "imagesTr", tmp_path / "pretrained", HIPPOCAMPUS, **options)
    assert result.steps == 2 and told[-1].fraction == 1.0
    assert (tmp_path / "pretrained" / "model.safetensors").stat().st_size > 0
    with pytest.raises(itksam.Error, match="method"):
        itksam.Pretrain([dataset / "imagesTr"], tmp_path / "other", HIPPOCAMPUS, method="square")
    with pytest.raises(itksam.Error, match="'window' is no option of pretraining"):
        itksam.Pretrain(dataset, tmp_path / "other", HIPPOCAMPUS, window=(1, 1, 1))
    with pytest.raises(itksam.Error, match="plan is a NoneType, expected a path"):
        itksam.Pretrain(dataset, tmp_path / "other", None)


def test_mirrored_axes_where_none_are_given(dataset, tmp_path):
    for name, options, axes in [
        ("masksam", {"augmentation": "masksam"}, [0, 1, 2]),
        ("none", {"augmentation": "masksam", "mirror": ()}, []),
        ("compact", {}, []),
        ("x", {"mirror": [0]}, [0]),
    ]:
        itksam.Train(dataset, tmp_path / name, steps=1, **OPTIONS, **options)
        state = (tmp_path / name / "resume.safetensors").read_bytes().replace(b"\\", b"").replace(b" ", b"")
        assert b'"mirror_axes":' + json.dumps(axes).replace(" ", "").encode() in state


def test_what_is_described_is_what_can_be_told(run):
    """The options of the programs, with underscores, are those of the functions."""
    shell = {"dataset", "output", "fold", "help", "version", "xml", "progress", "quiet", "images", "plan", "fix_direction"}
    for name, described in (("sam-train", itksam.TrainOptions), ("sam-pretrain", itksam.PretrainOptions)):
        listed = re.findall(r"^  --([a-z-]+)", run(name, "--help").stdout, re.MULTILINE)
        names = {option.replace("-", "_") for option in listed} | {"train_sites"}
        assert set(described.__annotations__) - {"plan"} == names - shell - {"train_site"}


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
    with pytest.raises(itksam.Error, match="max_minutes: 0, expected more than 0"):
        itksam.Train(dataset, tmp_path / "run", max_minutes=0)
    with pytest.raises(itksam.Error, match="max_minutes: 'ten' is a str"):
        itksam.Train(dataset, tmp_path / "run", max_minutes="ten")
    for fold, options in [("0/5", {}), (0, {}), ((0, 5), {"split": "s.json"}), ((0.5, 5), {}), (-1, {"split": "s.json"})]:
        with pytest.raises(itksam.Error, match="fold is .* expected"):
            itksam.Train(dataset, tmp_path / "run", fold=fold, **options)
    with pytest.raises(itksam.Error, match="one of mirror is -1, expected a whole number"):
        itksam.Train(dataset, tmp_path / "run", mirror=[-1])
    (dataset / "sites.csv").write_text("case,site\ncase0,here\ncase1,here\ncase2,there\n")
    with pytest.raises(itksam.Error, match="'hospital'"):
        itksam.Train(dataset, tmp_path / "run", train_sites="hospital")
    with pytest.raises(itksam.Error, match="dataset.json"):
        itksam.Train(tmp_path, tmp_path / "run")
