# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
import json
import pickle
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import HIPPOCAMPUS, make_image

import itksam


@pytest.fixture
def cases(tmp_path):
    for k in range(2):
        sitk.WriteImage(make_image() + 5 * k, str(tmp_path / f"case{k}.nrrd"))
    (tmp_path / "broken.nrrd").write_text("no image")
    return [tmp_path / name for name in ("case0.nrrd", "broken.nrrd", "case1.nrrd")]


def check(results, cases, folder):
    assert [case.status for case in results] == ["segmented", "failed", "segmented"]
    assert "broken.nrrd" in results[1].message and not (folder / "broken.nii.gz").exists()
    labels = sitk.ReadImage(results[2].output)
    expected = itksam.Segment(sitk.ReadImage(str(cases[2])), HIPPOCAMPUS, device="cpu")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(labels), sitk.GetArrayFromImage(expected))


def test_one_after_the_other(cases, tmp_path):
    results = itksam.SegmentCohort(cases, HIPPOCAMPUS, tmp_path / "out", device="cpu")
    check(results, cases, tmp_path / "out")
    again = itksam.SegmentCohort(cases, HIPPOCAMPUS, tmp_path / "out", device="cpu", skip_existing=True)
    assert [case.status for case in again] == ["skipped", "failed", "skipped"]


def test_what_else_is_written_has_a_folder_for_each(cases, tmp_path):
    folders = {name: tmp_path / name for name in ("statistics", "preview", "uncertainty")}
    options = {"device": "cpu", "probability": {"anterior": tmp_path / "p" / "anterior"}, **folders}
    results = itksam.SegmentCohort(cases, HIPPOCAMPUS, tmp_path / "out", **options)
    check(results, cases, tmp_path / "out")
    files = [path for name in ("case0", "case1") for path in (
        tmp_path / "statistics" / f"{name}.json",
        tmp_path / "preview" / f"{name}.png",
        tmp_path / "uncertainty" / f"{name}.nrrd",
        tmp_path / "p" / "anterior" / f"{name}.nrrd",
    )]
    assert all(path.stat().st_size > 0 for path in files)
    for name in ("case0", "case1"):
        assert json.loads((tmp_path / "statistics" / f"{name}.json").read_text())["image"].endswith(f"{name}.nrrd")
    # A case is done when all of its files are there, none of them empty.
    files[0].unlink()
    files[5].write_bytes(b"")
    again = itksam.SegmentCohort(cases, HIPPOCAMPUS, tmp_path / "out", skip_existing=True, **options)
    assert [case.status for case in again] == ["segmented", "failed", "segmented"]
    assert all(path.stat().st_size > 0 for path in files)
    again = itksam.SegmentCohort(cases, HIPPOCAMPUS, tmp_path / "out", skip_existing=True, **options)
    assert [case.status for case in again] == ["skipped", "failed", "skipped"]
    (tmp_path / "file").write_text("")
    with pytest.raises(itksam.Error, match="file: cannot be made, expected a folder"):
        itksam.SegmentCohort(cases, HIPPOCAMPUS, tmp_path / "out", statistics=tmp_path / "file")


def test_a_folder_or_a_list_of_cases(cases, tmp_path):
    (tmp_path / "images").mkdir()
    for path in (cases[2], cases[0]):
        path.rename(tmp_path / "images" / path.name)
    (tmp_path / "images" / "notes.md").write_text("no image")
    results = itksam.SegmentCohort(str(tmp_path / "images"), HIPPOCAMPUS, tmp_path / "out", device="cpu")
    assert [(case.name, case.status) for case in results] == [("case0", "segmented"), ("case1", "segmented")]
    (tmp_path / "list.txt").write_text("images/case1.nrrd\n")
    results = itksam.SegmentCohort(tmp_path / "list.txt", HIPPOCAMPUS, tmp_path / "out", device="cpu", skip_existing=True)
    assert [(case.name, case.status) for case in results] == [("case1", "skipped")]
    with pytest.raises(itksam.Error, match="nowhere: no such file"):
        itksam.SegmentCohort(str(tmp_path / "nowhere"), HIPPOCAMPUS, tmp_path / "out")
    with pytest.raises(itksam.Error, match="cases is a int, expected a list"):
        itksam.SegmentCohort(3, HIPPOCAMPUS, tmp_path / "out")


def test_one_file_has_its_own_name(cases, tmp_path):
    results = itksam.SegmentCohort(str(cases[0]), HIPPOCAMPUS, tmp_path / "out", device="cpu")
    assert [(case.name, case.status) for case in results] == [("case0", "segmented")]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["case0.nii.gz"]


def test_a_model_that_was_written_anew_is_read_anew(cases, tmp_path, model):
    path = tmp_path / "model.safetensors"
    shutil.copy(HIPPOCAMPUS, path)
    first = itksam.SegmentCohort(cases[:1], path, tmp_path / "first", device="cpu")
    itksam.Model.FromPlan(model.info, seed=1).Write(path)
    second = itksam.SegmentCohort(cases[:1], path, tmp_path / "second", device="cpu")
    expected = itksam.Segment(sitk.ReadImage(str(cases[0])), path, device="cpu")
    read = [sitk.GetArrayFromImage(sitk.ReadImage(each[0].output)) for each in (first, second)]
    np.testing.assert_array_equal(read[1], sitk.GetArrayFromImage(expected))
    assert (read[0] != read[1]).any()


def test_models_are_found_by_workers_of_another_folder(cases, tmp_path, model, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.Write("m.safetensors")
    relative = itksam.Model("m.safetensors", device="cpu")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert [case.status for case in itksam.SegmentCohort(cases[:1], relative, tmp_path / "out")] == ["segmented"]


def test_the_number_of_the_first_channel_is_no_part_of_the_name(cases, tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("a", "b"):
        shutil.copy(cases[0], tmp_path / "images" / f"{name}_0000.nrrd")
    results = itksam.SegmentCohort(tmp_path / "images", HIPPOCAMPUS, tmp_path / "out", device="cpu")
    assert [(case.name, case.status) for case in results] == [("a", "segmented"), ("b", "segmented")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.nii.gz", "b.nii.gz"]


def test_over_a_dask_cluster(cases, tmp_path, model):
    distributed = pytest.importorskip("distributed")
    told = []
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster, distributed.Client(cluster) as client:
        results = itksam.SegmentCohort(
            cases, pickle.loads(pickle.dumps(model)), tmp_path / "out", client=client, threads=1, progress=told.append
        )
    check(results, cases, tmp_path / "out")
    assert sorted(case.name for case in told) == ["broken", "case0", "case1"]


def test_two_cases_of_one_name(tmp_path):
    with pytest.raises(itksam.Error, match="second case 'a'"):
        itksam.SegmentCohort([tmp_path / "x" / "a.nrrd", tmp_path / "y" / "a.nii.gz"], HIPPOCAMPUS, tmp_path)
