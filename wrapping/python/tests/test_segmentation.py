# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
import copy
import hashlib
import os
import pickle
import signal
import threading
import time

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import CARDIAC, HIPPOCAMPUS, make_image

import itksam
from itksam._images import as_picture

TYPES = [
    sitk.sitkUInt8,
    sitk.sitkInt8,
    sitk.sitkUInt16,
    sitk.sitkInt16,
    sitk.sitkUInt32,
    sitk.sitkInt32,
    sitk.sitkInt64,
    sitk.sitkFloat32,
    sitk.sitkFloat64,
]


def test_labels_are_those_of_the_program(model, image, run, tmp_path):
    sitk.WriteImage(image, str(tmp_path / "image.nrrd"))
    options = ["--device", "cpu", "--threads", "1", "--model", HIPPOCAMPUS]
    run("sam-segment", *options, tmp_path / "image.nrrd", tmp_path / "labels.nrrd")
    expected = sitk.ReadImage(str(tmp_path / "labels.nrrd"))
    found = itksam.Segment(image, model)
    assert found.GetPixelID() == sitk.sitkUInt8
    assert np.count_nonzero(sitk.GetArrayViewFromImage(expected)) > 100
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(found), sitk.GetArrayViewFromImage(expected))
    assert found.GetSpacing() == image.GetSpacing()
    assert found.GetOrigin() == image.GetOrigin()
    assert found.GetDirection() == image.GetDirection()

    itksam.SegmentFile(tmp_path / "image.nrrd", tmp_path / "again.nrrd", model, statistics=tmp_path / "statistics.json")
    assert (tmp_path / "statistics.json").stat().st_size > 0
    again = sitk.ReadImage(str(tmp_path / "again.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(again), sitk.GetArrayFromImage(expected))
    md5 = hashlib.md5(HIPPOCAMPUS.read_bytes()).hexdigest()
    assert again.GetMetaData("SegmentAnything_ModelMD5") == md5
    assert again.GetMetaData("SegmentAnything_Version") == itksam.__version__


def test_probabilities_are_what_the_labels_were_chosen_by(model):
    segment = itksam.SegmentationImageFilter()
    segment.SetModel(model)
    segment.SetProbabilityLabels([0, "anterior", 2])
    segment.SetComputeUncertainty(True)
    image = make_image(sitk.sitkFloat32)
    labels = segment.Execute(image)
    maps = [segment.GetProbability(label) for label in ("background", 1, "posterior")]
    assert all(each.GetDirection() == image.GetDirection() for each in maps)
    values = np.stack([sitk.GetArrayFromImage(each) for each in maps])
    assert values.dtype == np.float32
    np.testing.assert_allclose(values.sum(axis=0), 1.0, atol=1e-5)
    np.testing.assert_array_equal(values.argmax(axis=0), sitk.GetArrayFromImage(labels))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(segment.GetUncertainty()), 1.0 - values.max(axis=0))
    segment.SetComputeUncertainty(False)
    segment.Execute(image)
    with pytest.raises(itksam.Error, match="did not compute the uncertainty"):
        segment.GetUncertainty()
    with pytest.raises(itksam.Error, match="'none' is no label of"):
        segment.GetProbability("none")


def test_files_as_the_program(model, run, tmp_path):
    sitk.WriteImage(make_image(), str(tmp_path / "image.nii.gz"))
    options = ["--device", "cpu", "--threads", "1", "--model", HIPPOCAMPUS, "--probability"]
    told = [f"anterior={tmp_path / 'p.nrrd'}", "--uncertainty", tmp_path / "u.nrrd", "--memory-limit", "1G"]
    run("sam-segment", *options, *told, tmp_path / "image.nii.gz", tmp_path / "labels.nrrd")
    itksam.SegmentFile(
        tmp_path / "image.nii.gz",
        tmp_path / "labels2.nrrd",
        model,
        probability={1: tmp_path / "p2.nrrd"},
        uncertainty=tmp_path / "u2.nrrd",
        memory_limit="1G",
    )
    for name in ("labels", "p", "u"):
        assert (tmp_path / f"{name}.nrrd").read_bytes() == (tmp_path / f"{name}2.nrrd").read_bytes()
    for wrong, words in [
        ({"memory_limit": 1000}, "limit"),
        ({"memory_limit": "much"}, "memory_limit: 'much', expected a size"),
        ({"probability": {"liver": tmp_path / "x.nrrd"}}, "'liver' is no label"),
        ({"probability": {1: tmp_path / "x.nrrd", "anterior": tmp_path / "y.nrrd"}}, "has a file already"),
        ({"probability": tmp_path / "x.nrrd"}, "expected paths by label"),
        ({"uncertainty": tmp_path / "x.nothing"}, "x.nothing: no image format"),
        ({"uncertainty": tmp_path / "image.nii.gz"}, "image.nii.gz: "),
        ({"statistics": HIPPOCAMPUS}, "hippocampus.safetensors: "),
    ]:
        with pytest.raises(itksam.Error, match=words):
            itksam.SegmentFile(tmp_path / "image.nii.gz", tmp_path / "never.nrrd", model, **wrong)
    assert not (tmp_path / "never.nrrd").exists()


def test_axes_that_are_not_perpendicular(model, tmp_path):
    path = tmp_path / "image.nii"
    image = make_image()
    image.SetDirection(np.eye(3).ravel())
    sitk.WriteImage(image, str(path))
    header = bytearray(path.read_bytes())
    header[252:254] = np.int16(0).tobytes()  # the matrix counts
    row = np.frombuffer(header[280:296], np.float32).copy()
    row[1] += 0.1
    header[280:296] = row.tobytes()
    path.write_bytes(header)
    with pytest.raises(itksam.Error, match="not perpendicular"):
        itksam.SegmentFile(path, tmp_path / "labels.nii", model)
    with pytest.warns(UserWarning, match="axes were turned by up to .* degrees"):
        itksam.SegmentFile(path, tmp_path / "labels.nii", model, fix_direction=True)
    assert sitk.ReadImage(str(tmp_path / "labels.nii")).GetSize() == image.GetSize()


def test_every_pixel_type_gives_the_same_labels(model):
    small = make_image(sitk.sitkUInt8)
    expected = None
    for pixel_type in TYPES:
        labels = sitk.GetArrayFromImage(itksam.Segment(sitk.Cast(small, pixel_type), model))
        expected = labels if expected is None else expected
        np.testing.assert_array_equal(labels, expected)


def test_arrays_are_taken_with_their_geometry(model):
    image = make_image()
    array = sitk.GetArrayFromImage(image)
    labels = itksam.Segment(
        array, model, spacing=image.GetSpacing(), origin=image.GetOrigin(), direction=image.GetDirection()
    )
    assert isinstance(labels, np.ndarray) and labels.dtype == np.uint8 and labels.shape == array.shape
    np.testing.assert_array_equal(labels, sitk.GetArrayFromImage(itksam.Segment(image, model)))
    # spacing counts
    assert not np.array_equal(labels, itksam.Segment(array, model, spacing=(0.6, 0.6, 0.6)))


def test_images_of_itk(model):
    itk = pytest.importorskip("itk")
    image = make_image()
    same = itk.image_from_array(sitk.GetArrayFromImage(image))
    same.SetSpacing(image.GetSpacing())
    same.SetOrigin(image.GetOrigin())
    same.SetDirection(np.reshape(image.GetDirection(), (3, 3)))
    labels = itksam.Segment(same, model)
    assert labels.GetImageDimension() == 3
    np.testing.assert_allclose(itk.array_from_matrix(labels.GetDirection()).ravel(), image.GetDirection())
    np.testing.assert_array_equal(itk.array_from_image(labels), sitk.GetArrayFromImage(itksam.Segment(image, model)))


def test_images_are_not_copied():
    image = make_image()
    picture = as_picture(image)
    view = sitk.GetArrayViewFromImage(image)
    assert picture.image.address == view.__array_interface__["data"][0]
    array = np.zeros((4, 5, 6), np.float32)
    assert as_picture(array).image.address == array.__array_interface__["data"][0]


def test_two_dimensions_and_vectors():
    plane = make_image(sitk.sitkUInt8, (20, 30))
    color = as_picture(sitk.Compose(plane, plane, plane))
    assert color.image.dimension == 2 and color.image.is_vector
    slices = itksam.Model(CARDIAC, device="cpu")
    if slices.dimension == 2:
        assert itksam.Segment(plane, slices).GetSize() == plane.GetSize()
    else:
        with pytest.raises(itksam.Error, match="dimensions"):
            itksam.Segment(plane, slices)


def test_cleaning_and_regions(model):
    image = make_image()
    everything = sitk.GetArrayFromImage(itksam.Segment(image, model))
    kept = sitk.GetArrayFromImage(itksam.Segment(image, model, labels="posterior"))
    np.testing.assert_array_equal(kept, np.where(everything == 2, 2, 0))
    center = image.TransformContinuousIndexToPhysicalPoint((12.0, 15.0, 15.0))
    part = sitk.GetArrayFromImage(itksam.Segment(image, model, regions=[(center, (8, 8, 8))]))
    assert not part[:8].any()
    with pytest.raises(itksam.Error, match="'liver' is no label"):
        itksam.Segment(image, model, labels=["liver"])


@pytest.mark.parametrize("pixel_type", [sitk.sitkFloat32, sitk.sitkInt16, sitk.sitkVectorFloat32])
def test_the_body_is_a_region(model, tmp_path, pixel_type):
    pixels = np.full((30, 50, 60), -1000, np.float32)
    pixels[:, 16:28, 20:36] = 100
    image = sitk.GetImageFromArray(pixels)
    image.SetSpacing((2.0, 2.0, 3.0))
    image.SetOrigin((-60.0, -40.0, 10.0))
    typed = sitk.Cast(image, pixel_type) if pixel_type != sitk.sitkVectorFloat32 else sitk.Compose(image, -image)
    body = itksam.FindBody(typed)
    assert body == ((-5.0, 3.0, 53.5), (52.1, 44.1, 90.1))  # 16 x 12 x 30 voxels and 10 mm on each side inside of the image
    sitk.WriteImage(image, str(tmp_path / "ct.nrrd"))
    itksam.SegmentFile(tmp_path / "ct.nrrd", tmp_path / "labels.nrrd", model, crop_to_body=True)
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "labels.nrrd"))),
        sitk.GetArrayFromImage(itksam.Segment(image, model, regions=[body])),
    )
    with pytest.raises(itksam.Error, match="crop_to_body: expected no regions"):
        itksam.SegmentFile(tmp_path / "ct.nrrd", tmp_path / "no.nrrd", model, crop_to_body=True, regions=[body])


def test_models_are_found_from_any_folder(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.Write("m.safetensors")
    relative = itksam.Model("m.safetensors", device="cpu")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert pickle.loads(pickle.dumps(relative)).labels == relative.On("cpu").labels == model.labels
    drawn = itksam.Model.FromPlan(model.info)
    with pytest.raises(itksam.Error, match="has no file yet"):
        pickle.dumps(drawn)
    drawn.Write("drawn.safetensors")
    assert pickle.loads(pickle.dumps(drawn)).labels == model.labels


def test_models_are_read_once_for_a_device(model):
    segment = itksam.SegmentationImageFilter()
    segment.SetModel(model)
    assert segment.GetModel() is model
    segment.SetDevice("auto")
    on_auto = segment.GetModel()
    assert segment.GetModel() is on_auto
    segment.SetPrecision("bfloat16")
    other = segment.GetModel()
    assert other.precision == "bfloat16" and segment.GetModel() is other


def test_filters_are_not_copied(model):
    segment = itksam.SegmentationImageFilter()
    segment.SetModel(model)
    for make in copy.copy, copy.deepcopy, pickle.dumps:
        with pytest.raises(itksam.Error, match="a SegmentationImageFilter cannot be copied"):
            make(segment)


def test_labels_and_numbers_of_numpy(model):
    image = make_image()
    expected = itksam.Segment(image, model, labels=1, minimum_size=20.0)
    for labels, size in [(np.int64(1), np.float32(20)), ("anterior", np.int64(20)), ("1", 20)]:
        found = itksam.Segment(image, model, labels=labels, minimum_size=size)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(expected))
    segment = itksam.SegmentationImageFilter()
    segment.SetModel(model)
    segment.SetProbabilityLabels("anterior")
    segment.Execute(image)
    assert segment.GetProbability("1").GetSize() == image.GetSize()
    segment.SetWindowFunction(lambda window: None)
    with pytest.raises(itksam.Error, match="a window function leaves no probabilities"):
        segment.Execute(image)


def test_models_tell_about_themselves(model):
    assert [label.name for label in model.labels] == ["background", "anterior", "posterior"]
    assert model.device == "cpu" and model.dimension == 3 and not model.is_promptable
    assert model.info["labels"][1]["name"] == "anterior"
    assert itksam.Segment(make_image(), [model, model]).GetSize() == (24, 30, 20)


def test_progress_and_events(model):
    seen = []
    segment = itksam.SegmentationImageFilter()
    segment.SetModel(model)
    segment.AddCommand(sitk.sitkStartEvent, lambda: seen.append("start"))
    segment.AddCommand(itksam.sitkProgressEvent, lambda: seen.append(segment.GetProgress()))
    segment.AddCommand(sitk.sitkEndEvent, lambda: seen.append("end"))
    segment.Execute(make_image())
    fractions = seen[1:-1]
    assert seen[0] == "start" and seen[-1] == "end" and len(fractions) > 5
    assert fractions == sorted(fractions) and 0 <= fractions[0] and fractions[-1] <= 1
    assert segment.GetNumberOfWindows() >= 1


def test_abort_and_exceptions_stop_a_run(model):
    segment = itksam.SegmentationImageFilter()
    segment.SetModel(model)
    events = []
    segment.AddCommand(itksam.sitkProgressEvent, segment.Abort)
    segment.AddCommand(itksam.sitkAbortEvent, lambda: events.append("abort"))
    with pytest.raises(itksam.Aborted):
        segment.Execute(make_image())
    assert events == ["abort"] and segment.GetProgress() < 0.9
    segment.RemoveAllCommands()
    assert segment.Execute(make_image()).GetSize() == (24, 30, 20)

    def stop(fraction):
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        itksam.Segment(make_image(), model, progress=stop)


def test_control_c_stops_a_run(model):
    def press(fraction):
        if fraction < 0.5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        itksam.Segment(make_image(), model, progress=press)


def test_other_threads_run_meanwhile(model):
    done = threading.Event()
    moments = []

    def count():
        while not done.is_set():
            moments.append(time.monotonic())
            time.sleep(0.001)

    other = threading.Thread(target=count)
    other.start()
    start = time.monotonic()
    itksam.Segment(make_image(), model)
    end = time.monotonic()
    done.set()
    other.join()
    gaps = np.diff([start] + [moment for moment in moments if start <= moment <= end] + [end])
    assert gaps.max() < 0.5 * (end - start)


def test_mistakes_have_the_sentence_of_the_programs(run, tmp_path):
    missing = tmp_path / "missing.safetensors"
    told = run("sam-segment", "--model", missing, tmp_path / "a.nrrd", tmp_path / "b.nrrd", check=False).stderr
    with pytest.raises(itksam.Error) as caught:
        itksam.Model(missing)
    assert told.strip() == f"sam-segment: {caught.value}"
    assert "\n" not in str(caught.value) and isinstance(caught.value, RuntimeError)
    for wrong, words in [
        (np.zeros((2, 2, 2, 2)), "4 dimensions, expected 2 or 3"),
        (np.zeros((4, 4, 4), complex), "complex128, expected real numbers"),
        ("image.nii.gz", "expected a SimpleITK image"),
    ]:
        with pytest.raises(itksam.Error, match=words):
            itksam.Segment(wrong, HIPPOCAMPUS, device="cpu")
    with pytest.raises(itksam.Error, match="NaN"):
        itksam.Segment(np.full((20, 20, 20), np.nan, np.float32), HIPPOCAMPUS, device="cpu")
    with pytest.raises(itksam.Error, match="'': expected the name of a file to write"):
        itksam.SegmentFile(tmp_path / "a.nrrd", "", HIPPOCAMPUS, device="cpu")


def test_another_torch_is_named():
    from itksam import _library

    with pytest.raises(ImportError, match=r"compiled with torch .*, found torch 1\.0\.0"):
        _library.check_torch("1.0.0+cpu")


def test_torch_goes_on_working(model):
    torch = pytest.importorskip("torch")
    assert float(torch.ones(3, 3).matmul(torch.ones(3, 3)).sum()) == 27.0
    assert itksam.Segment(make_image(), model).GetSize() == (24, 30, 20)
