# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
import pytest
import SimpleITK as sitk
from conftest import HIPPOCAMPUS, REPOSITORY

import itksam


def test_the_notebook_runs(image, model, promptable, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    sitk.WriteImage(image, str(tmp_path / "image.nrrd"))
    sitk.WriteImage(itksam.Segment(image, model), str(tmp_path / "reference.nrrd"))
    promptable.Write(tmp_path / "sam.safetensors")
    monkeypatch.setenv("ITKSAM_MODEL", str(HIPPOCAMPUS))
    monkeypatch.setenv("ITKSAM_IMAGE", str(tmp_path / "image.nrrd"))
    monkeypatch.setenv("ITKSAM_REFERENCE", str(tmp_path / "reference.nrrd"))
    monkeypatch.setenv("ITKSAM_CHECKPOINT", str(tmp_path / "sam.safetensors"))
    notebook = nbformat.read(REPOSITORY / "examples" / "segment.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # kept without
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    text = "".join(output.get("text", "") for output in outputs)
    assert "anterior Dice 1.0" in text and "posterior Dice 1.0" in text
    assert "skipped" not in text

    # What is not given is told.
    monkeypatch.delenv("ITKSAM_REFERENCE")
    monkeypatch.delenv("ITKSAM_CHECKPOINT")
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    text = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "skipped: no reference is given" in text and "skipped: no checkpoint is given" in text
