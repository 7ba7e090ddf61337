#!/usr/bin/env bash
# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
# Segments every image of a folder with one model load, then compares with reference labels of the same names:
# bash examples/segment_cohort.sh MODEL IMAGES REFERENCES OUTPUT
# Run again it goes on with the cases that are missing.
set -euo pipefail
if [ $# -ne 4 ]; then
  echo "usage: $0 MODEL.safetensors IMAGES REFERENCES OUTPUT" >&2
  exit 1
fi
bin=$(cd "$(dirname "$0")/../build/bin" && pwd)
mkdir -p "$4"
"$bin/sam-segment" --model "$1" --skip-existing --report "$4/report.json" --statistics "$4/statistics" "$2" "$4/labels"
"$bin/sam-evaluate" --prediction "$4/labels" --reference "$3" --output "$4/metrics.json"
