#!/usr/bin/env bash
# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
# Sets up, builds and runs all tests: bash test/run.sh [-DVARIABLE=VALUE ...]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../Modules/CMake/setup.sh"
set_up "$@"

say "testing"
results="$build_folder/tests.xml"
rm -f "$results"
export TEST_TMPDIR="$build_folder/Testing/Temporary" # GoogleTest's; of two builds at once each has its own
mkdir -p "$TEST_TMPDIR"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" # tests run side by side, and OpenMP's threads wait actively
status=0
ctest --test-dir "$build_folder" --parallel "$jobs" --no-tests=error --output-on-failure --output-junit "$results" || status=$?

# GoogleTest prints the place of a GTEST_SKIP, then its reason, then the test; unittest all on one line.
awk '/: Skipped$/ { getline reason }
     /^skipped: / || / \.\.\. skipped / { print }
     /^\[  SKIPPED \] .* \([0-9]+ ms\)$/ { print "skipped: " $4 ": " reason; reason = "" }' \
  "$build_folder/Testing/Temporary/LastTest.log" || true

count() { sed -n "s/.*[[:space:]]$1=\"\([0-9]*\)\".*/\1/p;s/^$1=\"\([0-9]*\)\".*/\1/p" "$results" | head -n 1; }
[ -s "$results" ] || fail "ctest wrote no results"
failed="$(count failures)"
skipped=$(($(count skipped) + $(count disabled)))
echo "$(($(count tests) - failed - skipped)) passed, $failed failed, $skipped skipped"
exit "$status"
