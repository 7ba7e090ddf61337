# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
import sys

import numpy as np
import pytest
import SimpleITK as sitk

import itksam

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("contourpy")

from test_dicom import TABLE, write_series  # noqa: E402

SHAPE = (6, 20, 24)
OBLIQUE = [0.8, 0.6, 0.0, 0.0, 0.0, -1.0]  # rows and columns of a slice


def make_labels(folder, values):
    """A label map on the grid of the series in a folder."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    result = sitk.GetImageFromArray(values)
    result.CopyInformation(reader.Execute())
    return result


def is_inside(points, x, y, rule):
    """Of each place whether it is inside of a closed polygon: by winding number, or even and odd."""
    wound = np.zeros(np.broadcast(x, y).shape, int)
    for (xa, ya), (xb, yb) in zip(points, np.roll(points, -1, axis=0)):
        for sign, low, high in ((1, ya, yb), (-1, yb, ya)):
            crosses = (low <= y) & (y < high)
            if low < high:
                wound += sign * (crosses & (x < xa + (y - ya) / (yb - ya) * (xb - xa)))
    return wound % 2 != 0 if rule == "even and odd" else wound != 0


def read_slices(folder):
    """The slices of the series in a folder by their SOPInstanceUID."""
    return {each.SOPInstanceUID: each for each in (pydicom.dcmread(file) for file in folder.glob("*.dcm"))}


def rasterize(data, name, slices, image, rule):
    """The label map of a structure: pixels of the slices that it names whose centers are in one of its contours."""
    number = next(each.ROINumber for each in data.StructureSetROISequence if each.ROIName == name)
    contour = next(each for each in data.ROIContourSequence if each.ReferencedROINumber == number)
    mask = np.zeros(image.GetSize()[::-1], bool)
    y, x = np.mgrid[: mask.shape[1], : mask.shape[2]]
    for item in contour.ContourSequence:
        points = np.reshape(np.array(item.ContourData, float), (-1, 3))
        assert item.NumberOfContourPoints == len(points) and item.ContourGeometricType == "CLOSED_PLANAR"
        source = slices[item.ContourImageSequence[0].ReferencedSOPInstanceUID]
        along = np.reshape(np.array(source.ImageOrientationPatient, float), (2, 3))
        offsets = points - np.array(source.ImagePositionPatient, float)
        assert np.abs(offsets @ np.cross(*along)).max() < 1e-3, "a contour lies in the slice that it names"
        k = image.TransformPhysicalPointToIndex([float(value) for value in source.ImagePositionPatient])[2]
        indices = offsets @ along.T / [float(value) for value in reversed(source.PixelSpacing)]
        inside = is_inside(indices, x, y, rule)
        assert not (mask[k] & inside).any(), "contours of a slice do not overlap"
        mask[k] |= inside
    return mask


def make_shapes():
    """What is hard: holes beside and in each other, parts that touch at corners, single pixels, the border, noise."""
    values = np.zeros(SHAPE, np.uint8)
    values[0, 2:18, 2:22] = 2
    values[0, 4:16, 4:8] = values[0, 5:7, 10:12] = values[0, 5:7, 14:20] = values[0, 9:15, 10:20] = 0
    values[0, 11:13, 12:18] = 2  # an island in a hole
    values[0, 12, 14:16] = 0
    values[1, 5, 5] = values[1, 6, 6] = values[1, 7, 5] = 2
    values[1, 0:20, 20:24] = 2
    values[2] = 2
    values[2, 0, 0] = values[2, 10, 10] = values[2, 11, 11] = 0
    rng = np.random.default_rng(7)
    values[3] = 2 * (rng.random(SHAPE[1:]) < 0.7)
    values[4] = 2 * (rng.random(SHAPE[1:]) < 0.5)
    values[4, 3:9, 3:9] = 5
    return values


@pytest.mark.parametrize("orientation", [[1, 0, 0, 0, 1, 0], [-1, 0, 0, 0, 1, 0], OBLIQUE])
@pytest.mark.parametrize("rule", ["even and odd", "winding"])
def test_pixels_come_back(tmp_path, orientation, rule):
    write_series(tmp_path, SHAPE, orientation)
    labels = make_labels(tmp_path, make_shapes())
    path = tmp_path / "structures.rt"
    itksam.WriteDicomRtStruct(labels, tmp_path, path, TABLE)
    data = pydicom.dcmread(path)
    pixels = sitk.GetArrayFromImage(labels)
    for value, name in ((2, "liver"), (5, "odd thing")):
        np.testing.assert_array_equal(rasterize(data, name, read_slices(tmp_path), labels, rule), pixels == value)


def test_slices_of_the_label_map_in_the_other_order(tmp_path):
    write_series(tmp_path, SHAPE, OBLIQUE)
    labels = sitk.Flip(make_labels(tmp_path, make_shapes()), [False, False, True])
    data = itksam.WriteDicomRtStruct(labels, tmp_path, tmp_path / "structures.rt", TABLE)
    found = rasterize(data, "liver", read_slices(tmp_path), labels, "even and odd")
    np.testing.assert_array_equal(found, sitk.GetArrayFromImage(labels) == 2)


def test_a_pixel_is_a_diamond(tmp_path):
    write_series(tmp_path, SHAPE)
    values = np.zeros(SHAPE, np.uint8)
    values[3, 6, 5] = 2
    data = itksam.WriteDicomRtStruct(make_labels(tmp_path, values), tmp_path, tmp_path / "structures.rt", TABLE)
    (item,) = data.ROIContourSequence[0].ContourSequence
    center = np.array([-20.5 + 0.9 * 5, 10.25 + 0.8 * 6, 30 + 2.5 * 3])
    found = np.reshape(np.array(item.ContourData, float), (-1, 3)) - center
    expected = [[-0.45, 0, 0], [0, -0.4, 0], [0, 0.4, 0], [0.45, 0, 0]]
    np.testing.assert_allclose(sorted(found.round(3).tolist()), expected, atol=1e-3)


def test_what_a_structure_set_says(tmp_path):
    write_series(tmp_path, SHAPE, [1, 0, 0, 0, 1, 0])
    labels = make_labels(tmp_path, make_shapes())
    path = tmp_path / "structures.rt"
    itksam.WriteDicomRtStruct(labels, tmp_path, path, TABLE, series_description="by the network of 2026")
    data = pydicom.dcmread(path)
    slices = read_slices(tmp_path)
    first = next(iter(slices.values()))
    assert data.Modality == "RTSTRUCT" and data.SOPClassUID == pydicom.uid.RTStructureSetStorage
    assert data.StudyInstanceUID == first.StudyInstanceUID and data.PatientName == "Phantom^A"
    assert data.SeriesInstanceUID != first.SeriesInstanceUID and data.StructureSetLabel == "by the network o"
    assert [each.ROIName for each in data.StructureSetROISequence] == ["liver", "odd thing"], "the spleen is not there"
    assert [list(each.ROIDisplayColor) for each in data.ROIContourSequence] == [[220, 20, 60], [0, 158, 115]]
    assert [each.ReferencedROINumber for each in data.RTROIObservationsSequence] == [1, 2]
    (frame,) = data.ReferencedFrameOfReferenceSequence
    assert frame.FrameOfReferenceUID == first.FrameOfReferenceUID
    (series,) = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence
    assert series.SeriesInstanceUID == first.SeriesInstanceUID
    assert {each.ReferencedSOPInstanceUID for each in series.ContourImageSequence} == set(slices)
    assert data.ApprovalStatus == "UNAPPROVED"
    assert {each.ROIGenerationAlgorithm for each in data.StructureSetROISequence} == {"AUTOMATIC"}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name, written", [("Übergang", "Übergang"), ("肝臓", "肝臓"), ("a\\b", "a/b"), ("x" * 70, "x" * 64)])
def test_names(tmp_path, name, written):
    write_series(tmp_path, SHAPE)
    slices = list(read_slices(tmp_path).values())
    for each in slices:
        each.SpecificCharacterSet, each.PatientName = "ISO_IR 100", "Müller^Ä"
    table = [itksam.Label(2, name, (1, 2, 3)), itksam.Label(5, "other", (4, 5, 6))]
    path = tmp_path / "structures.rt"
    itksam.WriteDicomRtStruct(make_labels(tmp_path, make_shapes()), slices, path, table)
    data = pydicom.dcmread(path)
    assert data.StructureSetROISequence[0].ROIName == written and data.PatientName == "Müller^Ä"


def test_refusals(tmp_path):
    write_series(tmp_path, SHAPE, [1, 0, 0, 0, 1, 0])
    labels = make_labels(tmp_path, make_shapes())
    path = tmp_path / "structures.rt"
    with pytest.raises(itksam.Error, match="the value 2, which is no label of the model"):
        itksam.WriteDicomRtStruct(labels, tmp_path, path, TABLE[2:])
    slices = [pydicom.dcmread(file) for file in tmp_path.glob("*.dcm")]
    for each in slices:
        del each.FrameOfReferenceUID
    with pytest.raises(itksam.Error, match="no FrameOfReferenceUID"):
        itksam.WriteDicomRtStruct(labels, slices, path, TABLE)
    for text in (3, "y" * 65, "a\\b"):
        with pytest.raises(itksam.Error, match="series_description is .*, expected at most 64 characters"):
            itksam.WriteDicomRtStruct(labels, tmp_path, path, TABLE, series_description=text)
    with pytest.raises(itksam.Error, match="nowhere/structures.rt: cannot be written"):
        itksam.WriteDicomRtStruct(labels, tmp_path, tmp_path / "nowhere" / "structures.rt", TABLE)
    assert not path.exists() and len(list(tmp_path.iterdir())) == len(slices), "nothing half-written"


@pytest.mark.parametrize("library", ["contourpy", "pydicom"])
def test_without_a_library(tmp_path, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(itksam.Error, match=f"^{library} is not installed: run 'pip install contourpy pydicom'$"):
        itksam.WriteDicomRtStruct(np.zeros(SHAPE, np.uint8), tmp_path, tmp_path / "structures.rt", TABLE)
