# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""Mistakes of callers: one sentence of itksam.Error, whatever is wrong."""

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import HIPPOCAMPUS, make_image

import itksam

CUBE = np.zeros((6, 7, 8), np.float32)


def refuse(words, call, *arguments, **options):
    with pytest.raises(itksam.Error, match=words) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "geometry, words",
    [
        ({"spacing": (1, np.nan, 1)}, r"spacing is \(1, nan, 1\), expected finite numbers"),
        ({"spacing": (1, 1, np.inf)}, r"spacing is \(1, 1, inf\), expected finite numbers"),
        ({"spacing": (1, -1, 1)}, r"spacing is \(1, -1, 1\), expected lengths from 1e-6 to 1e6 mm"),
        ({"spacing": (1, 1, 1e300)}, "expected lengths"),
        ({"spacing": (1, 0, 1)}, "expected lengths from 1e-6 to 1e6 mm"),
        ({"spacing": (1, 1)}, "spacing has 2 numbers, expected 3"),
        ({"spacing": (1, 1, "a")}, "spacing is .* expected numbers"),
        ({"spacing": 2.0}, "spacing is 2.0, expected numbers"),
        ({"origin": (0, 0, np.nan)}, "origin is .* expected finite numbers"),
        ({"direction": np.full((3, 3), np.nan)}, "direction is .* expected finite numbers"),
        ({"direction": np.ones((3, 3))}, "direction is .* expected cosines of axes that do not lie in one plane"),
        ({"direction": np.diag([1, 1, 0])}, "do not lie in one plane"),
    ],
)
def test_geometry_with_which_nothing_can_be_computed(model, geometry, words):
    refuse(words, itksam.Segment, CUBE, model, **geometry)
    flat = {name: np.asarray(value)[..., :2] for name, value in geometry.items() if np.ndim(value) == 1}
    if "nan" in words and flat:
        refuse("finite numbers", itksam.Evaluate, CUBE[0].astype(int), CUBE[0].astype(int), spacing=(np.nan, 1))


@pytest.mark.parametrize(
    "array, words",
    [
        (np.full((4, 4, 4), None), "pixels are object, expected real numbers"),
        (np.full((4, 4, 4), "a"), "pixels are <U1, expected real numbers"),
        (np.zeros((4, 4, 4), np.longdouble), "pixels are float128, expected real numbers of at most 64 bits"),
        (np.zeros((4, 4, 4), [("a", int)]), "pixels are .*, expected real numbers"),
        (np.zeros((4, 4, 4), "datetime64[s]"), "expected real numbers"),
        (np.zeros((0, 4, 4)), "no pixels"),
        (np.array(1.0), "1 dimensions, expected 2 or 3"),
    ],
)
def test_arrays_of_other_things(model, array, words):
    if array.dtype == np.longdouble and array.dtype.itemsize == 8:
        pytest.skip("long double is double here")
    refuse(words, itksam.Segment, array, model)


def test_a_label_map_object_does_not_end_the_process():
    script = (
        "import itksam, SimpleITK as sitk\n"
        "labels = sitk.LabelImageToLabelMap(sitk.Image(4, 4, 4, sitk.sitkUInt8))\n"
        "try:\n"
        "    itksam.Evaluate(labels, labels)\n"
        "except itksam.Error as error:\n"
        "    print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "pixels are label of" in run.stdout and "LabelMapToLabel" in run.stdout


def test_options_of_another_type(model):
    image = make_image()
    refuse("mirror axes is -1, expected a whole number from 0 on", itksam.Segment, image, model, mirror_axes=[-1])
    refuse("mirror axes are .3., expected some of 0, 1 and 2", itksam.Segment, image, model, mirror_axes=[3])
    refuse("mirror axes is 0, expected a list", itksam.Segment, image, model, mirror_axes=0)
    refuse("model is a NoneType, expected a file", itksam.Segment, image, None)
    refuse("model is a NoneType, expected a path", itksam.Model, None)
    refuse("model is a NoneType, expected a path", itksam.Segment, image, [None])
    refuse("no model is given", itksam.Segment, image, [])
    center, size = (0.0, 0.0, 0.0), (9.0, 9.0, 9.0)
    refuse(r"regions is .* expected a list of \(center, size\)", itksam.Segment, image, model, regions=(center, size))
    refuse("regions is 3, expected a list", itksam.Segment, image, model, regions=3)
    refuse("center of a region is .* expected numbers", itksam.Segment, image, model, regions=[("abc", size)])
    refuse("minimum_size is 'a', expected a volume", itksam.Segment, image, model, minimum_size="a")
    refuse("device", itksam.Model, HIPPOCAMPUS, device=3)
    refuse("number is -1, expected a whole number", itksam.SetNumberOfThreads, -1)
    everything = itksam.AutomaticMaskImageFilter()
    refuse("points_per_side is -1, expected a whole number", everything.SetOptions, points_per_side=-1)
    refuse("pred_iou_thresh is .*, expected numbers", everything.SetOptions, pred_iou_thresh="high")
    refuse("range of slices", everything.SetSliceRange, 0, 1.5)
    refuse("axis is -1, expected a whole number", everything.SetAxis, -1)
    prompted = itksam.PromptedSegmentationImageFilter()
    refuse("object is -1, expected a whole number from 1 on", prompted.AddPoint, center, True, -1)
    refuse("object is 1.5, expected a whole number", prompted.AddBox, center, size, 1.5)
    refuse("point is None, expected numbers", prompted.AddPoint, None)


def test_paths_and_images_are_not_mixed(tmp_path):
    image = sitk.Image(4, 4, 4, sitk.sitkUInt8)
    refuse("segmentation is a Image, expected a path", itksam.Evaluate, image, "reference.nrrd")
    refuse("the image is a str, expected a SimpleITK image", itksam.Evaluate, "labels.nrrd", image)
    refuse("one of labels is 'a', expected a whole number", itksam.Evaluate, image, image, labels=["a"])
    refuse("names is a list, expected a dictionary", itksam.Evaluate, image, image, names=["liver"])
    refuse("expected a whole number", itksam.Evaluate, image, image, segmentation_map={1: "a"})
    refuse("seed is -1, expected a whole number", itksam.Evaluate, tmp_path, tmp_path, seed=-1)
    refuse("output is a NoneType, expected a path", itksam.WriteReport, tmp_path, None)
    refuse("image is a NoneType, expected a path", itksam.SegmentFile, None, tmp_path / "a.nrrd", HIPPOCAMPUS, device="cpu")


def test_regions_that_are_no_boxes(model):
    image = make_image()
    labels = sitk.Image(4, 4, 4, sitk.sitkUInt8)
    for region in [((np.nan, 0, 0), (9, 9, 9)), ((0, 0, 0), (9, np.inf, 9)), ((0, 0, 0), (9, 0, 9))]:
        refuse("expected finite numbers and a positive size", itksam.Segment, image, model, regions=[region])
        refuse("region: .* expected a box", itksam.Evaluate, labels, labels, regions=[region])
