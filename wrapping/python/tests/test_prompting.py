# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
import concurrent.futures
import json

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import make_image

import itksam


def pixels(image):
    return sitk.GetArrayFromImage(image)


@pytest.fixture
def files(promptable, tmp_path):
    """A model file and an image file for the programs."""
    promptable.Write(tmp_path / "sam.safetensors")
    image = make_image(sitk.sitkUInt8)
    sitk.WriteImage(image, str(tmp_path / "image.nrrd"))
    return tmp_path, sitk.ReadImage(str(tmp_path / "image.nrrd"))


def make_filter(model, image):
    prompted = itksam.PromptedSegmentationImageFilter()
    prompted.SetModel(model)
    prompted.AddPoint(image.TransformIndexToPhysicalPoint((12, 15, 10)))
    return prompted


def test_a_point_as_the_program(files, promptable, run):
    folder, image = files
    point = image.TransformIndexToPhysicalPoint((12, 15, 10))
    options = ["--device", "cpu", "--threads", "1", "--model", folder / "sam.safetensors"]
    run("sam-prompt", *options, f"--point={','.join(map(repr, point))}", folder / "image.nrrd", folder / "labels.nrrd")
    found = make_filter(promptable, image).Execute(image)
    expected = pixels(sitk.ReadImage(str(folder / "labels.nrrd")))
    assert expected[10].any() and not expected[8].any()
    np.testing.assert_array_equal(pixels(found), expected)
    assert found.GetOrigin() == image.GetOrigin()


def test_prompts_of_files_as_the_program(files, promptable, run):
    folder, image = files
    point = image.TransformIndexToPhysicalPoint((12, 15, 10))
    ras = [-point[0], -point[1], point[2]]
    markup = {"type": "Fiducial", "coordinateSystem": "RAS", "controlPoints": [{"label": "F-1", "position": ras}]}
    hidden = {"label": "F-2", "position": ras, "visibility": False}
    (folder / "F.mrk.json").write_text(json.dumps({"markups": [markup]}))
    (folder / "F.fcsv").write_text("# CoordinateSystem = LPS\n" + ",".join(["0", *map(repr, point)]) + "\n")
    (folder / "index.json").write_text(json.dumps({"objects": [{"index_points": [[12, 15, 10]]}]}))
    expected = pixels(make_filter(promptable, image).Execute(image))
    for name in ("F.mrk.json", "F.fcsv", "index.json"):
        prompted = itksam.PromptedSegmentationImageFilter()
        prompted.SetModel(promptable)
        prompted.AddPromptFile(folder / name)
        np.testing.assert_array_equal(pixels(prompted.Execute(image)), expected)
    options = ["--device", "cpu", "--threads", "1", "--model", folder / "sam.safetensors", "--prompts", folder / "F.fcsv"]
    run("sam-prompt", *options, folder / "image.nrrd", folder / "labels.nrrd")
    np.testing.assert_array_equal(pixels(sitk.ReadImage(str(folder / "labels.nrrd"))), expected)
    markup["controlPoints"].append(hidden)
    (folder / "F.mrk.json").write_text(json.dumps({"markups": [markup]}))
    prompted.ClearPrompts()
    prompted.AddPromptFile(folder / "F.mrk.json")
    with pytest.warns(UserWarning, match="point 'F-2' is hidden and left out"):
        np.testing.assert_array_equal(pixels(prompted.Execute(image)), expected)
    prompted.ClearPrompts()
    prompted.AddPromptFile(folder / "none.json")
    with pytest.raises(itksam.Error, match="none.json: no such file"):
        prompted.Execute(image)


def test_embeddings_are_kept_while_pixels_stay(promptable):
    image = make_image(sitk.sitkUInt8)
    prompted = make_filter(promptable, image)
    first = pixels(prompted.Execute(image))
    assert prompted.GetNumberOfEncodedSlices() == 1
    np.testing.assert_array_equal(pixels(prompted.Execute(sitk.Image(image))), first)
    assert prompted.GetNumberOfEncodedSlices() == 1
    image[12, 15, 10] = 255 - image[12, 15, 10]  # in place
    changed = pixels(prompted.Execute(image))
    np.testing.assert_array_equal(changed, pixels(make_filter(promptable, image).Execute(image)))


def test_threads_may_share_a_filter(promptable):
    image = make_image(sitk.sitkUInt8)
    prompted = make_filter(promptable, image)
    expected = pixels(prompted.Execute(image))
    prompted.SetCacheSize(0)
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        for found in threads.map(lambda _: pixels(prompted.Execute(image)), range(8)):
            np.testing.assert_array_equal(found, expected)


def test_embedding_scores_masks_and_logits(promptable):
    image = make_image(sitk.sitkUInt8)
    prompted = make_filter(promptable, image)
    prompted.SetMultimask(True)
    expected = pixels(prompted.Execute(image))
    scores = prompted.GetScores()
    assert len(scores) == 3 and sum(score.is_chosen for score in scores) == 1 and scores[0].slice == 10
    assert prompted.GetMasks().GetNumberOfComponentsPerPixel() == 3
    logits = prompted.GetLogits()
    encode = itksam.SliceEncoderImageFilter()
    encode.SetModel(promptable)
    encode.SetSliceRange(10, 10)
    prompted.SetEmbedding(encode.Execute(image))
    np.testing.assert_array_equal(pixels(prompted.Execute(image)), expected)
    prompted.SetLogitsPrompt(logits)
    prompted.SetMaskPrompt(expected)
    assert prompted.Execute(image).GetSize() == image.GetSize()
    with pytest.raises(itksam.Error, match="lies outside"):
        prompted.AddPoint((1e4, 0, 0))
        prompted.Execute(image)


def test_everything_as_the_program(files, promptable, run):
    folder, image = files
    options = ["--device", "cpu", "--threads", "1", "--model", folder / "sam.safetensors", "--slices", "10:11"]
    values = {"points_per_side": 3, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 0.99}
    told = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    run("sam-everything", *options, *told, folder / "image.nrrd", folder / "labels.nrrd")
    everything = itksam.AutomaticMaskImageFilter()
    everything.SetModel(promptable)
    everything.SetSliceRange(10, 11)
    everything.SetOptions(**values)
    found = everything.Execute(image)
    np.testing.assert_array_equal(pixels(found), pixels(sitk.ReadImage(str(folder / "labels.nrrd"))))
    masks = everything.GetMasks()
    assert masks and [mask.label for mask in masks] == list(range(1, len(masks) + 1))
    assert sum(masks[0].runs) == 24 * 30 and sum(masks[0].runs[1::2]) == masks[0].area
    with pytest.raises(itksam.Error, match="is no option"):
        everything.SetOptions(points=3)


def test_color_images(promptable):
    plane = make_image(sitk.sitkUInt8, (20, 30))
    color = sitk.Compose(plane, plane, plane)
    prompted = itksam.PromptedSegmentationImageFilter()
    prompted.SetModel(promptable)
    prompted.AddBox((-5, 10), (0, 25))
    gray = pixels(prompted.Execute(plane))
    np.testing.assert_array_equal(pixels(prompted.Execute(color)), gray)
    array = prompted.Execute(
        pixels(color), spacing=plane.GetSpacing(), origin=plane.GetOrigin(), is_vector=True
    )
    np.testing.assert_array_equal(array, gray)
