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


def test_maps_and_regions_leave_the_images_alone():
    found, expected = make_pair()
    found[0:3, 0:3, 0:3] = 2
    kept = found.astype(np.int32), expected.astype(np.int32)
    given = kept[0].copy(), kept[1].copy()
    merged = itksam.Evaluate(*given, segmentation_map={1: 5, 2: 5}, reference_map={1: 5})
    assert list(merged["summary"]) == ["5"] and merged["summary"]["5"]["dice"]["mean"] < 0.9
    inside = itksam.Evaluate(*given, regions=[((10, 10, 10), (12, 12, 12))])
    assert list(inside["summary"]) == ["1"] and inside["summary"]["1"]["dice"]["mean"] == pytest.approx(0.9)
    np.testing.assert_array_equal(given[0], kept[0])
    np.testing.assert_array_equal(given[1], kept[1])
    with pytest.raises(itksam.Error, match="region: 1 and 3 numbers"):
        itksam.Evaluate(*given, regions=[((1,), (1, 2, 3))])


def test_options_are_not_passed_over(tmp_path):
    found, expected = map(sitk.GetImageFromArray, make_pair())
    with pytest.raises(TypeError, match="label"):
        itksam.Evaluate(found, expected, label=[1])
    with pytest.raises(itksam.Error, match="are for arrays"):
        itksam.Evaluate(found, expected, spacing=(1, 1, 1))
    with pytest.raises(itksam.Error, match="groups and source are for folders"):
        itksam.Evaluate(found, expected, groups=tmp_path / "sites.csv")
    sitk.WriteImage(found, str(tmp_path / "found.nrrd"))
    with pytest.raises(itksam.Error, match="label: no such option"):
        itksam.Evaluate(tmp_path / "found.nrrd", tmp_path / "found.nrrd", label=[1])


def test_report_as_the_program(run, tmp_path):
    for name, array in zip(("found", "expected"), make_pair()):
        (tmp_path / name).mkdir()
        for case in ("a", "b"):
            sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / name / f"{case}.nrrd"))
    (tmp_path / "sites.csv").write_text("case,site\na,here\nb,there\n")
    found, expected, sites = (tmp_path / name for name in ("found", "expected", "sites.csv"))
    options = ["--reference", expected, "--image", found, "--group", sites, "--source", "here"]
    run("sam-report", "--prediction", found, *options, "--output", tmp_path / "program.html")
    seen = []
    itksam.WriteReport(
        found, tmp_path / "page.html", reference=expected, image=found, groups=sites, source="here", progress=seen.append
    )
    assert (tmp_path / "page.html").read_text() == (tmp_path / "program.html").read_text()
    assert seen == sorted(seen) and len(seen) == 2
    itksam.WriteReport(found, tmp_path / "volumes.html", title="Volumes & more")
    assert "<h1>Volumes &amp; more</h1>" in (tmp_path / "volumes.html").read_text()
    with pytest.raises(itksam.Error, match="sites.csv: "):
        itksam.WriteReport(found, sites, reference=expected, groups=sites)
    assert sites.read_text().startswith("case,site")
    with pytest.raises(itksam.Error, match="source is given without"):
        itksam.WriteReport(found, tmp_path / "no.html", source="here")
    with pytest.raises(itksam.Error, match="nowhere"):
        itksam.WriteReport(tmp_path / "nowhere", tmp_path / "no.html")
    assert not (tmp_path / "no.html").exists()


def test_other_grids_are_mistakes():
    found, expected = make_pair()
    with pytest.raises(itksam.Error, match="size"):
        itksam.Evaluate(found[:-1], expected)
    with pytest.raises(itksam.Error, match="no integer"):
        itksam.Evaluate(found * 0.5, expected)
