#!/usr/bin/env bash
# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
# Sets up, builds, and segments both hippocampi in a brain that ships with Debian:
# bash examples/demo.sh [-DVARIABLE=VALUE ...]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../Modules/CMake/setup.sh"
set_up "$@"
packages mricron-data

cd "$source_folder"
templates=/usr/share/mricron/templates
left=25.5,20.5,-8.5,40,56,40   # LPS: x grows to the left of the patient
right=-25.5,21.5,-8.5,40,56,40
out=build/demo
mkdir -p "$out"

say "segmenting $templates/ch2.nii.gz"
build/bin/sam-segment --model examples/models/hippocampus.safetensors --region "$left" --region "$right" \
  --statistics "$out/statistics.json" --preview "$out/preview.png" "$templates/ch2.nii.gz" "$out/labels.nii.gz"

say "comparing with the AAL atlas, left (37), then right (38)"
build/bin/sam-evaluate --prediction "$out/labels.nii.gz" --reference "$templates/aal.nii.gz" \
  --map-prediction 1=1,2=1 --map-reference 37=1 --region "$left"
build/bin/sam-evaluate --prediction "$out/labels.nii.gz" --reference "$templates/aal.nii.gz" \
  --map-prediction 1=1,2=1 --map-reference 38=1 --region "$right"
echo "The atlas draws the hippocampus about 1.7 times as large and takes in fluid, so that a Dice of about 0.6 is a good value."

say "written:"
printf '%s\n' "$source_folder/$out/labels.nii.gz" "$source_folder/$out/statistics.json" "$source_folder/$out/preview.png"
