#!/bin/bash
# build.sh [TAG]: builds selfalign/services:VERSION, and selfalign/model-server and selfalign/training with
# the tag TAG (VERSION unless it is given). From the environment: TORCH_VARIANT=cpu leaves CUDA's libraries
# out; BASE_IMAGE, BUILD_IMAGE, PIP_INDEX_URL and UV_DEFAULT_INDEX are the Dockerfiles' build arguments.
set -euo pipefail
. "$(dirname "$0")/docker.sh"
[ "$NO_REGISTRY" = 0 ] || "$images/closed/up.sh"
revision=$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)
arguments=(--build-arg "VERSION=$version" --build-arg "REVISION=$revision")
for name in BASE_IMAGE BUILD_IMAGE PIP_INDEX_URL UV_DEFAULT_INDEX; do
  [ -z "${!name:-}" ] || arguments+=(--build-arg "$name=${!name}")
done
[ "$NO_REGISTRY" = 0 ] || arguments+=(--network host)
variant=(--build-arg "TORCH_VARIANT=${TORCH_VARIANT:-cuda}")
build() { # build NAME TAG ARGUMENTS...
  local name=$1 image=selfalign/$1:$2 start=$SECONDS; shift 2
  nice -n 5 docker build -q "${arguments[@]}" "$@" -f "$root/Dockerfile.$name" -t "$image" "$root" >/dev/null
  report_image "$image" "$start"
}
build services "$version"
build model-server "${1:-$version}" "${variant[@]}"
build training "${1:-$version}" "${variant[@]}"
