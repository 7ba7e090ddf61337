# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest
import SimpleITK as sitk

import itksam


def make_pair():
    found = np.zeros((20, 20, 20), np.uint8)
    expected = np.zeros((20, 20, 20), np.int16)
    found[5:15, 5:15, 5:15] = 1
    expected[5:15, 5:15, 6:16] = 1
    return found, expected


def test_dice_of_shifted_cubes():
    found, expected = make_pair()
    report = itksam.Evaluate(found, expected, spacing=(2, 1, 1), names={1: "cube"})
    assert report["summary"]["1"]["dice"]["mean"] == pytest.approx(0.9)
    assert report["summary"]["1"]["name"] == "cube"
    assert report["cases"][0]["labels"]["1"]["volume_reference_mm3"] == pytest.approx(2000)
    assert report["overall"]["hd95_mm"] == pytest.approx(2.0)


def test_files_as_the_program(run, tmp_path):
    found, expected = (sitk.GetImageFromArray(array) for array in make_pair())
    for name, image in (("found", found), ("expected", expected)):
        (tmp_path / name).mkdir()
        sitk.WriteImage(image, str(tmp_path / name / "case.nrrd"))
    folders = tmp_path / "found", tmp_path / "expected"
    run("sam-evaluate", "--prediction", folders[0], "--reference", folders[1], "--output", tmp_path / "out.json")
    report = itksam.Evaluate(*folders)
    assert report == json.loads((tmp_path / "out.json").read_text())
    assert itksam.Evaluate(found, expected)["summary"] == report["summary"]


def test_other_grids_are_mistakes():
    found, expected = make_pair()
    with pytest.raises(itksam.Error, match="size"):
        itksam.Evaluate(found[:-1], expected)
    with pytest.raises(itksam.Error, match="no integer"):
        itksam.Evaluate(found * 0.5, expected)
