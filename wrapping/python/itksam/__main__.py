# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""What the programs of ITKSegmentAnything leave to Python's libraries: label maps as DICOM objects."""

from __future__ import annotations

import argparse
import sys
from typing import Optional, Sequence

import SimpleITK as sitk

import itksam

_COMMANDS = {
    "dicom-seg": (itksam.WriteDicomSeg, "Write a label map as DICOM segmentation."),
    "dicom-rtstruct": (itksam.WriteDicomRtStruct, "Write a label map as DICOM RT structure set."),
}


def _parse(arguments: Optional[Sequence[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("itksam", description=__doc__)
    parser.add_argument("--version", action="version", version=f"%(prog)s {itksam.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, description) in _COMMANDS.items():
        command = commands.add_parser(name, help=description, description=description)
        command.add_argument("series", metavar="SERIES", help="the folder of the DICOM series that was segmented")
        command.add_argument("labels", metavar="LABELS", help="the label map on its grid, an image file")
        command.add_argument("output", metavar="OUTPUT.dcm", help="the file to write")
        command.add_argument("--model", help="names and colors of the labels. Default: those in the header of LABELS")
        command.add_argument("--description", default="Segmentation", help="of the new series. Default: %(default)s")
    return parser.parse_args(arguments)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run a command; answers the exit status, 1 after a mistake, which is one line on standard error."""
    told = _parse(arguments)
    try:
        table = itksam.Model(told.model, "cpu").labels if told.model else itksam.ReadLabels(told.labels)
        if not table:
            raise itksam.Error(f"{told.labels}: its header names no labels, expected --model")
        labels = sitk.ReadImage(told.labels)
        _COMMANDS[told.command][0](labels, told.series, told.output, table, series_description=told.description)
    except (itksam.Error, RuntimeError) as error:
        print(f"itksam: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
