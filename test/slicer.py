# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""The programs as 3D Slicer sees them: ctk-cli reads their descriptions and runs one by them.

    python slicer.py FOLDER_OF_PROGRAMS MODEL [unittest's options]
"""

import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest
import warnings

try:
    from ctk_cli import CLIModule, isCLIExecutable
except ImportError as error:
    print(f"skipped: slicer.py: ctk_cli cannot be imported ({error})")
    sys.exit(77)

FOLDER = os.path.abspath(sys.argv.pop(1))
MODEL = os.path.abspath(sys.argv.pop(1))
PROGRAMS = [
    "sam-auto-prompt",
    "sam-benchmark",
    "sam-classify",
    "sam-conformance",
    "sam-encode",
    "sam-evaluate",
    "sam-everything",
    "sam-model",
    "sam-pretrain",
    "sam-prompt",
    "sam-prototype-prompt",
    "sam-report",
    "sam-resample",
    "sam-segment",
    "sam-train",
]


def options_in_help(program):
    text = subprocess.run([os.path.join(FOLDER, program), "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^  (--[a-z-]+)", text, re.MULTILINE))


class Descriptions(unittest.TestCase):
    def test_every_option_is_described(self):
        for program in PROGRAMS:
            with self.subTest(program=program), warnings.catch_warnings(), self.assertNoLogs("ctk_cli"):
                warnings.simplefilter("error")
                path = os.path.join(FOLDER, program)
                self.assertTrue(isCLIExecutable(path))
                module = CLIModule(path)
                self.assertEqual(module.title, program)
                parameters = list(module.parameters())
                flags = {parameter.longflag for parameter in parameters if parameter.longflag}
                self.assertEqual(flags | {"--help", "--version", "--xml"}, options_in_help(program))
                indices = sorted(parameter.index for parameter in parameters if parameter.index is not None)
                self.assertEqual(indices, list(range(len(indices))))
                for parameter in parameters:
                    self.assertTrue(parameter.description, parameter.name)

    def test_files_go_the_right_way(self):
        channels = {}
        for program in PROGRAMS:
            for parameter in CLIModule(os.path.join(FOLDER, program)).parameters():
                channels[program, parameter.name] = parameter.channel
        types, extensions = {}, {}
        for program in ("sam-train", "sam-segment", "sam-report", "sam-prompt", "sam-evaluate"):
            for parameter in CLIModule(os.path.join(FOLDER, program)).parameters():
                types[program, parameter.name] = parameter.typ
                extensions[program, parameter.name] = parameter.fileExtensions
                if parameter.name == "prompts":
                    self.assertEqual(parameter.coordinateSystem, "lps")
                if parameter.typ == "string":
                    self.assertIsNone(parameter.multiple, (program, parameter.name))
        self.assertEqual(types["sam-train", "epochs"], "integer")
        self.assertEqual(types["sam-train", "seed"], "integer")
        self.assertEqual(types["sam-train", "resume"], "boolean")
        self.assertEqual(types["sam-train", "plan"], "string")
        self.assertEqual(types["sam-segment", "minimum_size"], "double")
        self.assertEqual(types["sam-report", "pictures"], "integer")
        self.assertEqual(types["sam-segment", "probability"], "string")
        self.assertEqual(types["sam-prompt", "prompts"], "pointfile")
        self.assertEqual(extensions["sam-prompt", "prompts"], [".fcsv", ".json"])
        self.assertEqual(extensions["sam-prompt", "model"], [".safetensors", ".pth", ".pt"])
        self.assertEqual(extensions["sam-segment", "statistics"], [".json"])
        self.assertEqual(extensions["sam-evaluate", "output"], [".json", ".csv"])
        self.assertIsNone(extensions["sam-segment", "output"])
        for program, name in [
            ("sam-segment", "image"),
            ("sam-segment", "model"),
            ("sam-evaluate", "reference"),
            ("sam-report", "group"),
            ("sam-train", "dataset"),
            ("sam-pretrain", "images"),
            ("sam-pretrain", "plan"),
            ("sam-train", "split"),
            ("sam-prompt", "mask"),
            ("sam-auto-prompt", "embedding"),
            ("sam-classify", "prompts"),
            ("sam-classify", "image"),
        ]:
            self.assertEqual(channels[program, name], "input", (program, name))
        for program, name in [
            ("sam-segment", "output"),
            ("sam-segment", "statistics"),
            ("sam-segment", "report"),
            ("sam-evaluate", "output"),
            ("sam-report", "output"),
            ("sam-model", "output"),
            ("sam-train", "output"),
            ("sam-pretrain", "output"),
            ("sam-prompt", "scores"),
            ("sam-encode", "embedding"),
            ("sam-resample", "output"),
            ("sam-auto-prompt", "output"),
            ("sam-prototype-prompt", "output"),
            ("sam-prototype-prompt", "similarity"),
            ("sam-classify", "output"),
        ]:
            self.assertEqual(channels[program, name], "output", (program, name))


class Runs(unittest.TestCase):
    def test_progress_is_reported(self):
        with tempfile.TemporaryDirectory() as folder:
            values = {
                "image": os.path.join(folder, "image.nrrd"),
                "output": os.path.join(folder, "labels.nrrd"),
                "model": MODEL,
                "progress": "slicer",
                "threads": 1,
                "device": "cpu",
            }
            size = (36, 50, 30)
            count = size[0] * size[1] * size[2]
            with open(values["image"], "wb") as file:
                header = (
                    "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\n"
                    f"sizes: {size[0]} {size[1]} {size[2]}\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n"
                    "space origin: (0,0,0)\nendian: little\nencoding: raw\n\n"
                )
                file.write(header.encode())
                file.write(struct.pack(f"<{count}h", *((k * 7919) % 500 for k in range(count))))
            module = CLIModule(os.path.join(FOLDER, "sam-segment"))
            command = [os.path.join(FOLDER, "sam-segment")]
            positions = {}
            for parameter in module.parameters():
                if parameter.index is not None:
                    positions[parameter.index] = values[parameter.name]
                elif parameter.typ == "boolean":
                    command += [parameter.longflag] if values.get(parameter.name) else []
                elif parameter.name in values:
                    command += [parameter.longflag, str(values[parameter.name])]
            command += [positions[index] for index in sorted(positions)]
            environment = dict(os.environ, OMP_NUM_THREADS="1")
            run = subprocess.run(command, capture_output=True, text=True, env=environment)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertTrue(os.path.getsize(values["output"]) > 0)
            tags = re.findall(r"<(filter-\w+)>", run.stdout)
            self.assertEqual(tags[0], "filter-start")
            self.assertEqual([tag for tag in tags if tag != "filter-name"][-2:], ["filter-end", "filter-time"])
            fractions = [float(text) for text in re.findall(r"<filter-progress>([\d.]+)</filter-progress>", run.stdout)]
            self.assertGreater(len(fractions), 5)
            self.assertEqual(fractions, sorted(fractions))
            self.assertTrue(all(0.0 <= fraction <= 1.0 for fraction in fractions))


if __name__ == "__main__":
    unittest.main(verbosity=2)
