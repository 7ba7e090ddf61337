#!/usr/bin/env bash
# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
# Segments an image stage by stage, with the labels that sam-segment writes; what flows between the stages stays in
# OUT.stages: bash examples/stages.sh MODEL IMAGE OUT [OPTION...]
# Options, such as --threads 1 or --device cpu, go to every stage. The programs are taken from $SEGMENTANYTHING_BIN,
# else from build/bin.
set -euo pipefail
if [ $# -lt 3 ]; then
  echo "usage: $0 MODEL.safetensors IMAGE OUT [OPTION...]" >&2
  exit 1
fi
bin=${SEGMENTANYTHING_BIN:-$(cd "$(dirname "$0")/../build/bin" && pwd)}
export SEGMENTANYTHING_MODEL=$1
image=$2
out=$3
shift 3
stages=$out.stages
rm -rf "$stages"
mkdir "$stages"

"$bin/sam-resample" "$@" "$image" "$stages/image.nrrd"
"$bin/sam-encode" "$@" --by-window "$stages/image.nrrd" "$stages/embeddings"
kind=$("$bin/sam-model" info "$SEGMENTANYTHING_MODEL")
if [[ $kind =~ prompts\ +prototype ]]; then
  "$bin/sam-prototype-prompt" "$@" "$stages/embeddings" "$stages/prompts"
else
  "$bin/sam-auto-prompt" "$@" "$stages/embeddings" "$stages/prompts"
fi
"$bin/sam-classify" "$@" --image "$image" "$stages/embeddings" "$stages/prompts" "$out"
