# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import SimpleITK as sitk
from conftest import HIPPOCAMPUS, LUNG, make_image

import itksam

OPTIONS = ["--device", "cpu", "--threads", "1", "--model"]


def pixels(image):
    return sitk.GetArrayFromImage(image)


def make(kind, model):
    stage = kind()
    stage.SetModel(model)
    return stage


class Stages:
    """The stages of a model one after the other."""

    def __init__(self, model):
        kind = itksam.PrototypePromptImageFilter if model.has_prototypes else itksam.AutoPromptImageFilter
        self.resample = make(itksam.ResampleImageFilter, model)
        self.encode = make(itksam.EncoderImageFilter, model)
        self.prompt = make(kind, model)
        self.classify = make(itksam.MaskClassificationImageFilter, model)
        self.segment = make(itksam.SegmentationImageFilter, model)

    def run(self, image):
        grid = self.resample.Execute(image)
        windows = []

        def answer(window):
            windows.append(window)
            self.encode.SetWindow(window.number)
            embedding = self.encode.Execute(grid)
            return self.classify.Execute(embedding, self.prompt.Execute(embedding))

        self.segment.SetWindowFunction(answer)
        labels = self.segment.Execute(image)
        assert len(windows) == self.encode.GetNumberOfWindows(grid) == self.segment.GetNumberOfWindows()
        return labels, windows


@pytest.fixture(scope="module")
def lung():
    return itksam.Model(LUNG, device="cpu")


@pytest.fixture(scope="module")
def film():
    """A picture without a black frame, on which the model finds something."""
    y, x = np.mgrid[:150, :170].astype(np.float32)
    lungs = sum(np.exp(-(((x - cx) / 28) ** 2) - ((y - 75) / 50) ** 2) for cx in (50, 120))
    image = sitk.GetImageFromArray(200 - 120 * lungs + 5 * np.sin(x) * np.cos(y))
    image.SetSpacing((2.0, 2.1))
    image.SetOrigin((7.0, -3.0))
    return image


def test_stages_make_the_labels_of_the_whole(model):
    image = make_image(size=(44, 48, 16))  # of several windows
    labels, windows = Stages(model).run(image)
    assert len(windows) > 1 and windows[0].spacing == pytest.approx(model.spacing)
    assert windows[0].size == model.window_size
    expected = itksam.Segment(image, model)
    assert np.count_nonzero(pixels(expected)) > 100
    np.testing.assert_array_equal(pixels(labels), pixels(expected))
    assert labels.GetDirection() == image.GetDirection() and labels.GetOrigin() == image.GetOrigin()


def test_interpolation_is_the_models_or_set(model):
    image = make_image()
    assert model.interpolation == "linear"
    resample = make(itksam.ResampleImageFilter, model)
    grids = {}
    for word in ("", "linear", "nearest", "cubic", "nnunet"):
        resample.SetInterpolation(word)
        assert resample.GetInterpolation() == word
        grids[word] = pixels(resample.Execute(image))
    np.testing.assert_array_equal(grids[""], grids["linear"])
    assert len({grid.tobytes() for grid in grids.values()}) >= 3
    resample.SetInterpolation("lanczos")
    with pytest.raises(itksam.Error, match="'lanczos', expected linear, nearest, cubic or nnunet"):
        resample.Execute(image)


def test_stages_with_prototypes(lung, film):
    stages = Stages(lung)
    labels, _ = stages.run(film)
    expected = pixels(itksam.Segment(film, lung))
    assert np.count_nonzero(expected) > 100
    np.testing.assert_array_equal(pixels(labels), expected)
    similarity = stages.prompt.GetSimilarity()
    assert similarity.GetNumberOfComponentsPerPixel() == 1 and np.abs(pixels(similarity)).max() <= 1.0 + 1e-5
    addresses = stages.prompt.GetAddresses()
    assert addresses.shape == (1, lung.info["prompt_source"]["prototypes"])
    np.testing.assert_allclose(addresses.sum(axis=1), 1.0, rtol=1e-5)


def test_a_black_frame_is_left_out(lung, film):
    framed = sitk.ConstantPad(film, (30, 12), (5, 40), 0.0)
    labels, _ = Stages(lung).run(framed)
    expected = pixels(itksam.Segment(framed, lung))
    assert np.count_nonzero(expected) > 100
    np.testing.assert_array_equal(pixels(labels), expected)
    inner = pixels(itksam.Segment(film, lung))
    np.testing.assert_array_equal(expected[12:-40, 30:-5], inner)


def test_what_flows_is_what_the_programs_write(model, run, tmp_path):
    image = make_image()
    sitk.WriteImage(image, str(tmp_path / "image.nrrd"))
    options = [*OPTIONS, HIPPOCAMPUS]
    run("sam-resample", *options, tmp_path / "image.nrrd", tmp_path / "grid.nrrd")
    run("sam-encode", *options, "--by-window", tmp_path / "grid.nrrd", tmp_path / "embeddings")
    run("sam-auto-prompt", *options, tmp_path / "embeddings", tmp_path / "prompts")
    stages = Stages(model)
    grid = stages.resample.Execute(image)
    np.testing.assert_array_equal(pixels(grid), pixels(sitk.ReadImage(str(tmp_path / "grid.nrrd"))))
    stages.encode.SetWindow(0)
    embedding = stages.encode.Execute(grid)
    patch = model.info["encoder"]["patch"]
    assert grid.GetSpacing() == model.spacing and embedding.GetSpacing()[0] == pytest.approx(patch * model.spacing[0])
    np.testing.assert_array_equal(
        pixels(embedding), pixels(sitk.ReadImage(str(tmp_path / "embeddings" / "window_0000.nrrd")))
    )
    prompts = stages.prompt.Execute(embedding)
    written = itksam.Prompts.Read(tmp_path / "prompts" / "window_0000.safetensors")
    assert prompts.GetNumberOfQueries() == written.GetNumberOfQueries() > 1
    np.testing.assert_array_equal(pixels(prompts.GetMasks()), pixels(written.GetMasks()))
    np.testing.assert_array_equal(prompts.GetBoxes(), written.GetBoxes())
    np.testing.assert_array_equal(prompts.GetClassTokens(), written.GetClassTokens())

    slices, queries = embedding.GetSize()[2], prompts.GetNumberOfQueries()
    assert prompts.GetBoxes().shape == (slices, queries, 2, 3)
    assert prompts.GetClassTokens().shape[:2] == (slices, queries)
    assert prompts.GetMasks().GetNumberOfComponentsPerPixel() == queries
    # A box's corners lie in the middle of its slice.
    depth = [embedding.TransformPhysicalPointToContinuousIndex(list(map(float, corner)))[2]
             for corner in prompts.GetBoxes()[3, 0]]
    np.testing.assert_allclose(depth, 3.0, atol=1e-4)

    prompts.Write(tmp_path / "prompts.safetensors")
    probabilities = stages.classify.Execute(embedding, itksam.Prompts.Read(tmp_path / "prompts.safetensors"))
    np.testing.assert_array_equal(pixels(probabilities), pixels(stages.classify.Execute(embedding, prompts)))
    np.testing.assert_allclose(pixels(probabilities).sum(axis=-1), 1.0, rtol=1e-5)
    assert probabilities.GetNumberOfComponentsPerPixel() == len(model.labels)
    run("sam-classify", *options, tmp_path / "embeddings" / "window_0000.nrrd",
        tmp_path / "prompts.safetensors", tmp_path / "labels.nrrd")
    chosen = stages.classify.ChooseLabels(probabilities)
    expected = sitk.ReadImage(str(tmp_path / "labels.nrrd"))
    np.testing.assert_array_equal(pixels(chosen), pixels(expected))
    np.testing.assert_allclose(chosen.GetOrigin(), expected.GetOrigin())


def test_arrays_flow_too(model):
    image = make_image()
    stages = Stages(model)
    expected = pixels(itksam.Segment(image, model))
    grid = stages.resample.Execute(image)
    where = {"spacing": image.GetSpacing(), "origin": image.GetOrigin(), "direction": image.GetDirection()}

    def answer(window):
        stages.encode.SetWindow(window.number)
        embedding = stages.encode.Execute(grid)
        geometry = {
            "spacing": embedding.GetSpacing(),
            "origin": embedding.GetOrigin(),
            "direction": embedding.GetDirection(),
            "is_vector": True,
        }
        prompts = stages.prompt.Execute(pixels(embedding), **geometry)
        assert isinstance(prompts.GetMasks(), np.ndarray)
        probabilities = stages.classify.Execute(pixels(embedding), prompts, **geometry)
        x, y, z = window.size
        return probabilities[:z, :y, :x]

    stages.segment.SetWindowFunction(answer)
    np.testing.assert_array_equal(stages.segment.Execute(pixels(image), **where), expected)
    stages.segment.SetWindowFunction(None)
    np.testing.assert_array_equal(stages.segment.Execute(pixels(image), **where), expected)


def test_mistakes_of_stages(model, lung, film, tmp_path):
    stages = Stages(model)
    grid = stages.resample.Execute(make_image())
    embedding = stages.encode.Execute(grid)
    with pytest.raises(itksam.Error, match="Prompts is not set"):
        stages.classify.Execute(embedding)
    with pytest.raises(itksam.Error, match="components"):
        stages.prompt.Execute(grid)
    with pytest.raises(itksam.Error, match="float32"):
        stages.prompt.Execute(make_image())
    with pytest.raises(itksam.Error, match="window 99, expected one below"):
        stages.encode.SetWindow(99)
        stages.encode.Execute(grid)
    with pytest.raises(itksam.Error, match="prototypes"):
        make(itksam.PrototypePromptImageFilter, model).Execute(embedding)
    with pytest.raises(itksam.Error, match="none.safetensors"):
        itksam.Prompts.Read(tmp_path / "none.safetensors")
    prompts = stages.prompt.Execute(embedding)
    moved = sitk.Image(embedding)
    moved.SetOrigin((0.0, 0.0, 0.0))
    with pytest.raises(itksam.Error, match="do not belong to the embedding"):
        stages.classify.Execute(moved, prompts)
    with pytest.raises(itksam.Error, match="do not belong to the embedding"):
        flat = Stages(lung)
        flat.classify.Execute(flat.encode.Execute(flat.resample.Execute(film)), prompts)

    # What a window function does wrong, or raises, ends the run.
    for answer, error, words in [
        (lambda window: np.zeros((*window.size[::-1], 2), np.float32), itksam.Error, "2 components"),
        (lambda window: np.zeros((3, 3, 3, 3), np.float32), itksam.Error, "does not lie on it"),
        (lambda window: 1 / 0, ZeroDivisionError, "division"),
    ]:
        stages.segment.SetWindowFunction(answer)
        with pytest.raises(error, match=words):
            stages.segment.Execute(make_image())


def test_stages_report_and_stop(model):
    stages = Stages(model)
    grid = stages.resample.Execute(make_image())
    seen = []
    stages.encode.AddCommand(itksam.sitkProgressEvent, lambda: seen.append(stages.encode.GetProgress()))
    stages.encode.Execute(grid)
    assert len(seen) > 3 and seen == sorted(seen)
    stages.segment.AddCommand(itksam.sitkProgressEvent, stages.segment.Abort)
    with pytest.raises(itksam.Aborted):
        stages.run(make_image(size=(44, 48, 16)))
