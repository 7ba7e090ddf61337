# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
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


def rasterize(data, name, image, rule):
    """The label map of a structure: pixels whose centers are in one of its contours."""
    number = next(each.ROINumber for each in data.StructureSetROISequence if each.ROIName == name)
    contour = next(each for each in data.ROIContourSequence if each.ReferencedROINumber == number)
    mask = np.zeros(image.GetSize()[::-1], bool)
    y, x = np.mgrid[: mask.shape[1], : mask.shape[2]]
    for item in contour.ContourSequence:
        points = np.reshape(np.array(item.ContourData, float), (-1, 3))
        assert item.NumberOfContourPoints == len(points) and item.ContourGeometricType == "CLOSED_PLANAR"
        indices = np.array([image.TransformPhysicalPointToContinuousIndex(point) for point in points])
        k = int(round(indices[0, 2]))
        assert np.abs(indices[:, 2] - k).max() < 1e-3, "a contour lies in one slice"
        inside = is_inside(indices[:, :2], x, y, rule)
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
        np.testing.assert_array_equal(rasterize(data, name, labels, rule), pixels == value)


def test_what_a_structure_set_says(tmp_path):
    write_series(tmp_path, SHAPE, [1, 0, 0, 0, 1, 0])
    labels = make_labels(tmp_path, make_shapes())
    path = tmp_path / "structures.rt"
    itksam.WriteDicomRtStruct(labels, tmp_path, path, TABLE, series_description="by the network of 2026")
    data = pydicom.dcmread(path)
    slices = {each.SOPInstanceUID: each for each in (pydicom.dcmread(file) for file in tmp_path.glob("*.dcm"))}
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
    for contour in data.ROIContourSequence:
        for item in contour.ContourSequence:
            image = slices[item.ContourImageSequence[0].ReferencedSOPInstanceUID]
            assert item.ContourData[2] == pytest.approx(image.ImagePositionPatient[2]), "each in the image it names"


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
    with pytest.raises(itksam.Error, match="nowhere/structures.rt: cannot be written"):
        itksam.WriteDicomRtStruct(labels, tmp_path, tmp_path / "nowhere" / "structures.rt", TABLE)
    assert not path.exists() and len(list(tmp_path.iterdir())) == len(slices), "nothing half-written"
