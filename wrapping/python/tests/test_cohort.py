# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
import pickle

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
