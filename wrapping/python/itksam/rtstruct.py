# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""Label maps as DICOM structure sets for radiotherapy, with contours by contourpy."""

from __future__ import annotations

import datetime
from typing import Any, Iterator, Sequence, Union

import numpy as np

from ._arguments import PathLike
from ._library import _itksam
from ._series import LabelledSeries, check_description, match, name_of, write
from .model import Label, Model


def _crossings(ring: np.ndarray, y: float) -> "tuple[np.ndarray, np.ndarray]":
    """Where the edges of a closed ring (N×2, the first point not repeated) cross a height: x, and the edges' first points."""
    following = np.roll(ring, -1, axis=0)
    edges = np.flatnonzero((ring[:, 1] > y) != (following[:, 1] > y))
    begin, end = ring[edges], following[edges]
    return begin[:, 0] + (y - begin[:, 1]) / (end[:, 1] - begin[:, 1]) * (end[:, 0] - begin[:, 0]), edges


def _join(outer: np.ndarray, holes: "list[np.ndarray]") -> np.ndarray:
    """One ring of an outline and its holes, by channels of no width: the keyhole technique of DICOM (PS3.3 C.8.8.6.3).

    Readers differ in whether a contour within another one is a hole: plastimatch 1.9.4 fills it, and does not read contours
    of the type CLOSEDPLANAR_XOR. A channel goes to the left of a hole, where only
    the outline or a hole that begins further left can be, a quarter of a pixel beside the centers.
    """
    ring = outer
    for hole in sorted(holes, key=lambda each: each[:, 0].min()):
        y = hole[hole[:, 0].argmin(), 1] + 0.25
        x, edges = _crossings(hole, y)
        start, after = x.min(), edges[x.argmin()] + 1
        x, edges = _crossings(ring, y)
        left = np.where(x < start, x, -np.inf).argmax()
        channel = np.array([[x[left], y], [start, y]])
        turned = np.concatenate([hole[after:], hole[:after]])
        place = edges[left] + 1
        ring = np.concatenate([ring[:place], channel, turned, channel[::-1], ring[place:]])
    return ring


def _outline(mask: np.ndarray) -> "Iterator[np.ndarray]":
    """Rings (N×2, x and y in pixels) half a pixel around the parts of a slice: the centers inside are the mask's."""
    import contourpy

    padded = np.pad(mask.astype(np.float32), 1)
    generator = contourpy.contour_generator(z=padded, fill_type=contourpy.FillType.OuterOffset)
    for points, offsets in zip(*generator.filled(0.5, np.inf)):
        rings = [points[begin : end - 1] - 1.0 for begin, end in zip(offsets[:-1], offsets[1:])]
        yield _join(rings[0], rings[1:])


def _contours(found: LabelledSeries, label: Label) -> "list[Any]":
    """The items of the contour sequence of a label."""
    from pydicom import Dataset

    items = []
    mask = found.labels == label.value
    for k in np.flatnonzero(mask.any(axis=(1, 2))):
        for ring in _outline(mask[k]):
            indices = np.column_stack([ring, np.full(len(ring), k), np.ones(len(ring))])
            points = (indices @ found.affine.T)[:, :3]
            image = Dataset()
            image.ReferencedSOPClassUID = found.slices[k].SOPClassUID
            image.ReferencedSOPInstanceUID = found.slices[k].SOPInstanceUID
            item = Dataset()
            item.ContourImageSequence = [image]
            item.ContourGeometricType = "CLOSED_PLANAR"
            item.NumberOfContourPoints = len(points)
            item.ContourData = [f"{value:.4f}" for value in points.ravel()]
            items.append(item)
    return items


def _reference(slices: "list[Any]") -> Any:
    """The frame of reference with study, series and images."""
    from pydicom import Dataset

    series = Dataset()
    series.SeriesInstanceUID = slices[0].SeriesInstanceUID
    series.ContourImageSequence = []
    for each in slices:
        image = Dataset()
        image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = each.SOPClassUID, each.SOPInstanceUID
        series.ContourImageSequence.append(image)
    study = Dataset()
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"  # Detached Study Management: what is there is retired
    study.ReferencedSOPInstanceUID = slices[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = slices[0].FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame


def WriteDicomRtStruct(
    segmentation: Any,
    source_series: Any,
    path: PathLike,
    model: "Union[Model, Sequence[Label]]",
    *,
    series_description: str = "Segmentation",
    **geometry: Any,
) -> Any:
    """Write a label map as DICOM RT Structure Set with names and colors of its labels; answers the data set.

    Contours (closed, planar, in mm) run half a pixel around the labels of each slice: the pixels whose centers lie inside
    are those of the label map. Holes are joined to the outline by a channel of no width.

    segmentation: the label map on the grid of the series. source_series: its folder, files or pydicom data sets.
    model: the Model, or Labels. Labels that are not in the label map are left out. series_description: up to 64 characters,
    of which the first 16 are the label of the structure set. spacing, origin (mm), direction: of an array.
    """
    try:
        import contourpy  # noqa: F401
        import pydicom
        from pydicom import Dataset
    except ImportError as error:
        raise _itksam.Error(f"{error.name} is not installed: run 'pip install contourpy pydicom'") from None
    from . import __version__

    check_description(series_description)
    found = match(segmentation, source_series, model, geometry)
    first = found.slices[0]
    if not getattr(first, "FrameOfReferenceUID", None):
        raise _itksam.Error("the source series has no FrameOfReferenceUID, which contours refer to: expected one")

    now = datetime.datetime.now()
    data = Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.SpecificCharacterSet = "ISO_IR 192"  # UTF-8: the labels' names may need more than the series has
    data.SOPClassUID, data.SOPInstanceUID = pydicom.uid.RTStructureSetStorage, pydicom.uid.generate_uid()
    for keyword in (
        "PatientName PatientID PatientBirthDate PatientSex StudyInstanceUID StudyDate StudyTime StudyID "
        "AccessionNumber ReferringPhysicianName StudyDescription FrameOfReferenceUID PositionReferenceIndicator"
    ).split():
        if keyword in first:
            data[keyword] = first[keyword]
    for keyword in (
        "PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime StudyID AccessionNumber ReferringPhysicianName "
        "PositionReferenceIndicator OperatorsName"
    ).split():
        if keyword not in data:  # needed, may be empty
            setattr(data, keyword, "")
    data.Modality, data.SeriesInstanceUID, data.SeriesNumber = "RTSTRUCT", pydicom.uid.generate_uid(), 100
    data.SeriesDescription, data.InstanceNumber = series_description, 1
    data.Manufacturer, data.ManufacturerModelName, data.SoftwareVersions = "ITKSegmentAnything", "itksam", __version__
    data.InstanceCreationDate = data.StructureSetDate = now.strftime("%Y%m%d")
    data.InstanceCreationTime = data.StructureSetTime = now.strftime("%H%M%S")
    data.StructureSetLabel, data.ApprovalStatus = series_description[:16], "UNAPPROVED"
    data.ReferencedFrameOfReferenceSequence = [_reference(found.slices)]
    data.StructureSetROISequence, data.ROIContourSequence, data.RTROIObservationsSequence = [], [], []
    for number, label in enumerate(found.table, 1):
        region = Dataset()
        region.ROINumber, region.ROIName = number, name_of(label)
        region.ReferencedFrameOfReferenceUID = first.FrameOfReferenceUID
        region.ROIGenerationAlgorithm = "AUTOMATIC"
        data.StructureSetROISequence.append(region)
        contour = Dataset()
        contour.ReferencedROINumber, contour.ROIDisplayColor = number, list(label.color)
        contour.ContourSequence = _contours(found, label)
        data.ROIContourSequence.append(contour)
        observation = Dataset()
        observation.ObservationNumber = observation.ReferencedROINumber = number
        observation.RTROIInterpretedType, observation.ROIInterpreter = "", ""
        data.RTROIObservationsSequence.append(observation)
    write(data, path)
    return data
