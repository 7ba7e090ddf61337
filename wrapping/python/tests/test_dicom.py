# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
import datetime
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

import itksam
import itksam.__main__

highdicom = pytest.importorskip("highdicom")
pydicom = pytest.importorskip("pydicom")


def write_series(folder, shape=(6, 10, 12), orientation=(1, 0, 0, 0, 1, 0)):
    """A CT series of slices, rows and columns, written from the last slice to the first."""
    count, rows, columns = shape
    step = np.cross(orientation[:3], orientation[3:])
    uid = pydicom.uid.generate_uid
    study, number, frame = uid(), uid(), uid()
    for k in reversed(range(count)):
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
        data.ImageOrientationPatient = list(orientation)
        data.ImagePositionPatient = (np.array([-20.5, 10.25, 30]) + 2.5 * k * step).round(6).tolist()
        data.PixelSpacing, data.SliceThickness = [0.8, 0.9], 2.5
        data.Rows, data.Columns, data.SamplesPerPixel, data.PhotometricInterpretation = rows, columns, 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
        data.RescaleIntercept, data.RescaleSlope = -1024, 1
        data.PixelData = np.full((rows, columns), 1000 + k, np.int16).tobytes()
        data.file_meta = pydicom.dataset.FileMetaDataset()
        data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        data.save_as(folder / f"{count + 3 - k}.dcm", enforce_file_format=True)


@pytest.fixture
def series(tmp_path):
    write_series(tmp_path)
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


def change(series, name, **values):
    """A slice with other values; None: without."""
    data = pydicom.dcmread(series / name)
    for keyword, value in values.items():
        delattr(data, keyword) if value is None else setattr(data, keyword, value)
    data.save_as(series / name)


def test_mistakes_of_the_series(series, labels, tmp_path):
    def refuse(words, *arguments, **options):
        with pytest.raises(itksam.Error, match=words) as caught:
            itksam.WriteDicomSeg(*arguments, **options)
        assert "\n" not in str(caught.value) and not (tmp_path / "a.seg").exists()

    out = tmp_path / "a.seg"
    refuse("nowhere: no such folder", labels, tmp_path / "nowhere", out, TABLE)
    (tmp_path / "empty").mkdir()
    refuse("has no image, expected the slices", labels, tmp_path / "empty", out, TABLE)
    refuse("none.dcm: cannot be read", labels, [tmp_path / "none.dcm"], out, TABLE)
    refuse("the source series is a int, expected a folder", labels, 3, out, TABLE)
    refuse("model is a NoneType", labels, series, out, None)
    refuse("codes: .* for 'liver', expected", labels, series, out, TABLE, codes={"liver": ("1",)})
    fraction = sitk.Cast(labels, sitk.sitkFloat32) * 1.25
    refuse("a value is no integer of uint16", fraction, series, out, TABLE)
    notes = tmp_path / "empty" / "notes.txt"
    notes.write_text("no image")
    refuse("notes.txt: is no DICOM file", labels, [notes], out, TABLE)
    for keyword in ("SOPClassUID", "ImagePositionPatient"):
        value = getattr(pydicom.dcmread(series / "4.dcm"), keyword)
        change(series, "4.dcm", **{keyword: "" if keyword == "SOPClassUID" else None})
        refuse(f"4.dcm: has no {keyword}, expected a slice", labels, series, out, TABLE)
        change(series, "4.dcm", **{keyword: value})
    for keyword, value in (("StudyInstanceUID", "1.2.3"), ("FrameOfReferenceUID", "1.2.3"), ("Rows", 9), ("Columns", 11)):
        before = getattr(pydicom.dcmread(series / "4.dcm"), keyword)
        change(series, "4.dcm", **{keyword: value})
        refuse(f"{keyword} of the source series is .* and .*, expected the same", labels, series, out, TABLE)
        change(series, "4.dcm", **{keyword: before})
    refuse("series_description is 'y.*', expected at most 64", labels, series, out, TABLE, series_description="y" * 65)
    for file in series.glob("*.dcm"):
        change(series, file.name, PatientID=None)
    refuse("does not do for a segmentation", labels, series, out, TABLE)


def test_other_files_of_the_folder_are_no_slices(series, labels, tmp_path):
    (series / "notes.txt").write_text("no image")
    itksam.WriteDicomSeg(sitk.Cast(labels, sitk.sitkFloat64), series, tmp_path / "labels.seg", TABLE)
    assert highdicom.seg.segread(tmp_path / "labels.seg").number_of_segments == 2


def test_more_labels_than_a_byte_holds(series, labels, tmp_path):
    values = np.zeros((6, 10, 12), np.uint16)
    values[:3] = np.arange(1, 361).reshape(3, 10, 12)
    many = sitk.GetImageFromArray(values)
    many.CopyInformation(labels)
    table = [itksam.Label(0, "background", (0, 0, 0))]
    table += [itksam.Label(k, f"part {k}", (k % 256, 1, 2)) for k in range(1, 361)]
    itksam.WriteDicomSeg(many, series, tmp_path / "labels.seg", table)
    read = highdicom.seg.segread(tmp_path / "labels.seg")
    assert read.number_of_segments == 360
    assert sorted(np.unique(read.get_volume(combine_segments=True).array)) == list(range(1, 361))


def test_labels_that_are_none(series, labels, tmp_path):
    path = tmp_path / "labels.seg"
    for table, options, words in [
        ([(2, "liver", (220, 20, 300)), (5, "x", (0, 0, 0))], {}, "is no label, expected value, name and color"),
        ([(2, "liver", (220, 20, 60)), (2, "x", (0, 0, 0))], {}, "two labels have the same value"),
        (TABLE, {"codes": {"livr": ("1", "2", "3")}}, "codes: 'livr' is no label, expected some of background, liver"),
    ]:
        with pytest.raises(itksam.Error, match=words):
            itksam.WriteDicomSeg(labels, series, path, table, **options)
        assert not path.exists()
    data = itksam.WriteDicomSeg(labels, series, path, [(2, "liver", (1, 2, 3)), (5, "x" * 100, (4, 5, 6))])
    assert data.SegmentSequence[1].SegmentLabel == "x" * 64


@pytest.mark.parametrize("command, modality", [("dicom-seg", "SEG"), ("dicom-rtstruct", "RTSTRUCT")])
def test_command_line(series, labels, tmp_path_factory, capsys, command, modality):
    def run(*arguments):
        status = itksam.__main__.main([str(each) for each in arguments])
        return (status, *capsys.readouterr())

    if modality == "RTSTRUCT":
        pytest.importorskip("contourpy")
    folder = tmp_path_factory.mktemp("out")
    file, output = folder / "labels.nrrd", folder / "out.dcm"
    sitk.WriteImage(labels, str(file))
    message = f"itksam: {file}: its header names no labels, expected --model\n"
    assert run(command, series, file, output) == (1, "", message)
    assert not output.exists()
    for k, label in enumerate(TABLE[1:]):  # as 3D Slicer and sam-segment write them
        labels.SetMetaData(f"Segment{k}_LabelValue", str(label.value))
        labels.SetMetaData(f"Segment{k}_Name", label.name)
        labels.SetMetaData(f"Segment{k}_Color", " ".join(str(part / 255) for part in label.color))
    sitk.WriteImage(labels, str(file))
    assert itksam.ReadLabels(file) == TABLE[1:]
    assert run(command, series, file, output, "--description", "Organs") == (0, "", "")
    data = pydicom.dcmread(output)
    assert (data.Modality, data.SeriesDescription) == (modality, "Organs")
    if modality == "SEG":
        assert [each.SegmentLabel for each in data.SegmentSequence] == ["liver", "odd thing"]
    else:
        assert [each.ROIName for each in data.StructureSetROISequence] == ["liver", "odd thing"]
    status, _, message = run(command, series / "nowhere", file, output)
    assert status == 1 and "nowhere" in message and message.count("\n") == 1


def test_command_is_there():
    done = subprocess.run([sys.executable, "-m", "itksam", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"itksam {itksam.__version__}\n"), done.stderr
