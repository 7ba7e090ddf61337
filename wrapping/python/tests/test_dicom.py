# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
import datetime

import numpy as np
import pytest
import SimpleITK as sitk

import itksam

highdicom = pytest.importorskip("highdicom")
pydicom = pytest.importorskip("pydicom")


@pytest.fixture
def series(tmp_path):
    """A CT series of 6 slices of 12 x 10 pixels, written from the last slice to the first."""
    uid = pydicom.uid.generate_uid
    study, number, frame = uid(), uid(), uid()
    for k in reversed(range(6)):
        data = pydicom.Dataset()
        data.SOPClassUID = pydicom.uid.CTImageStorage
        data.SOPInstanceUID, data.StudyInstanceUID, data.SeriesInstanceUID = uid(), study, number
        data.FrameOfReferenceUID = frame
        data.Modality, data.PatientName, data.PatientID = "CT", "Phantom^A", "1"
        data.PatientBirthDate, data.PatientSex, data.AccessionNumber = "", "", ""
        data.StudyID, data.ReferringPhysicianName, data.Manufacturer = "1", "", "none"
        data.StudyDate = datetime.date(2020, 1, 1).strftime("%Y%m%d")
        data.StudyTime, data.SeriesNumber, data.InstanceNumber = "120000", 1, k + 1
        data.PositionReferenceIndicator, data.PatientPosition = "", "HFS"
        data.ImageOrientationPatient, data.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [-20.5, 10.25, 30 + 2.5 * k]
        data.PixelSpacing, data.SliceThickness = [0.8, 0.9], 2.5
        data.Rows, data.Columns, data.SamplesPerPixel, data.PhotometricInterpretation = 10, 12, 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
        data.RescaleIntercept, data.RescaleSlope = -1024, 1
        data.PixelData = np.full((10, 12), 1000 + k, np.int16).tobytes()
        data.file_meta = pydicom.dataset.FileMetaDataset()
        data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        data.save_as(tmp_path / f"{9 - k}.dcm", enforce_file_format=True)
    return tmp_path


@pytest.fixture
def labels(series):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(series)))
    image = reader.Execute()
    values = np.zeros((6, 10, 12), np.uint8)
    values[1:4, 2:5, 3:9] = 2
    values[2:6, 6:9, 1:4] = 5
    result = sitk.GetImageFromArray(values)
    result.CopyInformation(image)
    return result


TABLE = [
    itksam.Label(0, "background", (0, 0, 0)),
    itksam.Label(2, "liver", (220, 20, 60)),
    itksam.Label(3, "spleen", (0, 0, 255)),
    itksam.Label(5, "odd thing", (0, 158, 115)),
]


def test_labels_and_geometry_come_back(series, labels, tmp_path):
    path = tmp_path / "labels.seg"
    itksam.WriteDicomSeg(labels, series, path, TABLE)
    read = highdicom.seg.segread(path)
    described = [read.get_segment_description(number) for number in (1, 2)]
    assert read.number_of_segments == 2
    assert [each.segment_label for each in described] == ["liver", "odd thing"]
    assert described[0].segmented_property_type.value == "10200004"
    assert described[0].segmented_property_type.scheme_designator == "SCT"
    assert described[1].segmented_property_type.meaning == "odd thing"
    color = highdicom.color.CIELabColor.from_dicom_value(described[0].RecommendedDisplayCIELabValue)
    assert np.allclose(color.to_rgb(), (220, 20, 60), atol=2)

    volume = read.get_volume(combine_segments=True)
    expected = sitk.GetArrayFromImage(labels)
    whole = np.zeros_like(expected)
    inverse = np.linalg.inv(volume.affine)
    for k, j, i in np.ndindex(*expected.shape):
        point = labels.TransformIndexToPhysicalPoint((i, j, k))
        place = np.rint(inverse @ [*point, 1.0])[:3].astype(int)
        if all(0 <= place) and all(place < volume.array.shape):
            whole[k, j, i] = volume.array[tuple(place)]
    np.testing.assert_array_equal(whole, np.where(expected == 5, 2, np.where(expected == 2, 1, 0)))
    assert np.allclose(sorted(volume.spacing), [0.8, 0.9, 2.5])


def test_mistakes(series, labels, tmp_path):
    with pytest.raises(itksam.Error, match="value 5, which is no label"):
        itksam.WriteDicomSeg(labels, series, tmp_path / "a.seg", TABLE[:3])
    labels.SetOrigin((0, 0, 0))
    with pytest.raises(itksam.Error, match="not on the segmentation's grid"):
        itksam.WriteDicomSeg(labels, series, tmp_path / "a.seg", TABLE)
    with pytest.raises(itksam.Error, match="expected the grid of the series"):
        itksam.WriteDicomSeg(labels[:5], series, tmp_path / "a.seg", TABLE)
    assert not (tmp_path / "a.seg").exists()
