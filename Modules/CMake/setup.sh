# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
# Sourced by test/run.sh and examples/demo.sh: brings a Debian machine to a built tree in build/.
#
#   set_up [-DVARIABLE=VALUE ...]    the arguments go to CMake
#   packages NAME ...                Debian packages that must be there
#
# LibTorch comes from Torch_DIR or CMAKE_PREFIX_PATH (environment or -D), else from a virtual environment that is made in
# build/venv; ITK from ITK_DIR, else from Debian. A second run repeats nothing.

source_folder="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
build_folder="$source_folder/build"
torch_version=2.13.0

say() { printf '== %s\n' "$*"; }

fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# Run a command; show what it printed only where it fails.
quietly() {
  local log="$build_folder/set_up.log"
  "$@" >"$log" 2>&1 </dev/null || {
    tail -n 40 "$log" >&2
    fail "'$*' ended with an error; the whole output is in $log"
  }
}

packages() {
  command -v dpkg-query >/dev/null || return 0 # other systems: CMake says what is missing
  local name missing=()
  for name in "$@"; do
    dpkg-query -W -f='${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "missing packages and neither root nor sudo: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  quietly "${as_root[@]}" apt-get -q update
  quietly "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "${missing[@]}"
}

# The value of a CMake variable: of the last -D argument, else of the environment.
given() {
  local variable="$1" argument value
  value="${!variable:-}"
  shift
  for argument in "$@"; do
    case "$argument" in
      "-D$variable="* | "-D$variable:"*=*) value="${argument#*=}" ;;
    esac
  done
  printf '%s' "$value"
}

torch_is_given() {
  [ -n "$(given Torch_DIR "$@")" ] && return 0
  grep -qs '^Torch_DIR:' "$build_folder/CMakeCache.txt" && return 0 # by an earlier run
  local prefix prefixes
  IFS=';:' read -r -a prefixes <<<"$(given CMAKE_PREFIX_PATH "$@")"
  for prefix in ${prefixes[@]+"${prefixes[@]}"}; do
    # torch.utils.cmake_prefix_path is <root>/share/cmake
    [ -d "$prefix/include/torch" ] || [ -d "$prefix/../../include/torch" ] && return 0
  done
  return 1
}

make_venv() {
  local venv="$build_folder/venv" python=python3
  [ -f "$venv/torch-$torch_version" ] && return 0
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    packages python3 python3-venv
    [ -x /usr/bin/python3 ] && python=/usr/bin/python3
  fi
  say "virtual environment build/venv with torch $torch_version"
  quietly "$python" -m venv --clear "$venv"
  # C++ needs the torch package alone; the tests write checkpoints with PyTorch and read programs as 3D Slicer does.
  quietly "$venv/bin/python" -m pip install "torch==$torch_version" ctk-cli
  touch "$venv/torch-$torch_version"
}

# What wrapping/python is built with and tested with; the Python of a system may lack its headers.
add_python_packages() {
  local venv="$build_folder/venv"
  "$venv/bin/python" -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null ||
    packages python3-dev
  [ -f "$venv/python-packages-1" ] && return 0
  say "packages for the Python package's tests in build/venv"
  quietly "$venv/bin/python" -m pip install nanobind scikit-build-core numpy SimpleITK itk-core contourpy distributed highdicom \
    ipykernel matplotlib nbclient pytest
  touch "$venv/python-packages-1"
}

set_up() {
  local argument arguments=("$@") wanted state memory
  for argument in "$@"; do
    [[ "$argument" == -D?*=* ]] || fail "'$argument' was found; expected -DVARIABLE=VALUE, which goes to CMake"
  done
  mkdir -p "$build_folder"

  wanted=(libeigen3-dev libgtest-dev libtclap-dev nlohmann-json3-dev)
  [ -z "$(given ITK_DIR "$@")" ] && wanted+=(libinsighttoolkit5-dev)
  command -v c++ >/dev/null || wanted+=(g++)
  command -v cc >/dev/null || wanted+=(gcc)
  command -v cmake >/dev/null || wanted+=(cmake)
  command -v ninja >/dev/null || wanted+=(ninja-build)
  command -v ccache >/dev/null || wanted+=(ccache)
  packages "${wanted[@]}"

  if ! torch_is_given "$@"; then
    make_venv
    add_python_packages
    arguments+=("-DSegmentAnything_PYTHON=$build_folder/venv/bin/python" -DSegmentAnything_BUILD_PYTHON=ON)
  fi
  # Without the sloppiness ccache keeps nothing that is compiled with a precompiled header.
  command -v ccache >/dev/null && arguments+=(
    -DCMAKE_C_COMPILER_LAUNCHER=ccache
    "-DCMAKE_CXX_COMPILER_LAUNCHER=env;CCACHE_SLOPPINESS=pch_defines,time_macros;ccache"
  )

  state="${Torch_DIR:-} ${CMAKE_PREFIX_PATH:-} ${ITK_DIR:-} ${arguments[*]}"
  if [ ! -f "$build_folder/build.ninja" ] || [ "$(cat "$build_folder/arguments" 2>/dev/null)" != "$state" ]; then
    say "configuring in build/"
    cmake -G Ninja -S "$source_folder" -B "$build_folder" "${arguments[@]}" >"$build_folder/configure.log" 2>&1 || {
      grep -v '^--' "$build_folder/configure.log" >&2
      fail "CMake could not configure; the whole output is in $build_folder/configure.log"
    }
    grep '^-- LibTorch' "$build_folder/configure.log" | sed 's/^-- //' || true
    printf '%s\n' "$state" >"$build_folder/arguments"
  fi

  # A file that includes LibTorch takes up to 1.5 GB; test/run.sh runs as many tests at a time.
  jobs="${CMAKE_BUILD_PARALLEL_LEVEL:-}"
  if [ -z "$jobs" ]; then
    jobs="$(nproc)"
    memory="$(awk '/^MemAvailable/ { print int($2 / 1572864) }' /proc/meminfo)"
    [ "$memory" -lt "$jobs" ] && jobs=$((memory > 0 ? memory : 1))
  fi
  say "building in build/ with $jobs jobs"
  cmake --build "$build_folder" --parallel "$jobs" || fail "the build failed"
}
