#!/usr/bin/env bash
# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
# Segments an image stage by stage, with the labels that sam-segment writes: bash examples/stages.sh MODEL IMAGE OUT
# [OPTION...]. What flows between the stages lies in a folder beside OUT that is removed in the end. The options are
# --device, --progress, --quiet, --threads, --region (once) and --precision, as of sam-segment. The programs are taken
# from $SEGMENTANYTHING_BIN, else from build/bin.
set -euo pipefail
fail() {
  echo "$0: $*" >&2
  exit 1
}
if [ $# -lt 3 ]; then
  echo "usage: $0 MODEL.safetensors IMAGE OUT [OPTION...]" >&2
  exit 1
fi
bin=${SEGMENTANYTHING_BIN:-$(cd "$(dirname "$0")/../build/bin" && pwd)}
export SEGMENTANYTHING_MODEL=$1
image=$2
out=$3
shift 3
every=()     # for all stages
region=()    # where the image's grid counts
precision=() # of the encoder
while [ $# -gt 0 ]; do
  option=${1%%=*}
  words=("$1")
  case $option in
    --device | --precision | --progress | --region | --threads)
      if [ "$option" = "$1" ]; then
        [ $# -gt 1 ] || fail "$1: without a value"
        words+=("$2")
        shift
      fi
      ;;
    --quiet) ;;
    *) fail "$1: no such option, expected --device, --precision, --progress, --quiet, --region or --threads" ;;
  esac
  case $option in
    --region) region+=("${words[@]}") ;;
    --precision) precision+=("${words[@]}") ;;
    *) every+=("${words[@]}") ;;
  esac
  shift
done
stages=$(mktemp -d "$(dirname "$out")/.stages.XXXXXX")
trap 'rm -rf "$stages"' EXIT

stage() { # older versions of bash take an empty list for an unset variable
  "$bin/$1" ${every[@]+"${every[@]}"} "${@:2}"
}
stage sam-resample ${region[@]+"${region[@]}"} "$image" "$stages/image.nrrd"
stage sam-encode ${precision[@]+"${precision[@]}"} --by-window "$stages/image.nrrd" "$stages/embeddings"
kind=$("$bin/sam-model" info "$SEGMENTANYTHING_MODEL")
if [[ $kind =~ prompts\ +prototype ]]; then
  stage sam-prototype-prompt "$stages/embeddings" "$stages/prompts"
else
  stage sam-auto-prompt "$stages/embeddings" "$stages/prompts"
fi
stage sam-classify ${region[@]+"${region[@]}"} --image "$image" "$stages/embeddings" "$stages/prompts" "$out"
