#!/bin/bash
# Builds selfalign/{services,model-server,training}:VERSION. With --trial what values-kind.yaml names instead:
# model-server and training without CUDA's libraries and with the small real model, as VERSION-trial; the
# S3 server; and Prometheus for the suite.
set -euo pipefail
. "$(dirname "$0")/env.sh"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/pyproject.toml" | head -1)
arguments=(--build-arg "VERSION=$version" --build-arg "REVISION=$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)")
for name in PIP_INDEX_URL UV_DEFAULT_INDEX; do [ -z "${!name:-}" ] || arguments+=(--build-arg "$name=${!name}"); done
if [ "$KIND_CLOSED" = 1 ]; then
  "$here/host-packages.sh"; "$here/docker-up.sh"; "$here/base-image.sh"
  export DOCKER_BUILDKIT=0
  context=$KIND_CACHE/build-image; mkdir -p "$context"
  cp /etc/ssl/certs/ca-certificates.crt "$context/"
  docker build -q --network host --build-arg "BASE=$BASE_IMAGE" -t "local/python-build:3.11-$SUITE" \
    -f "$here/build.Dockerfile" "$context" >/dev/null
  arguments+=(--network host --build-arg "BUILD_IMAGE=local/python-build:3.11-$SUITE")
fi
[ -z "$BASE_IMAGE" ] || arguments+=(--build-arg "BASE_IMAGE=$BASE_IMAGE")
variant=${TORCH_VARIANT:-cuda} tag=$version
if [ "${1:-}" = --trial ]; then variant=cpu tag=$version-cpu; fi
size() { echo "$1: $((SECONDS - start)) s, $(docker image inspect -f '{{.Size}}' "$1" | awk '{printf "%.0f MB", $1 / 1e6}')"; }
build() { # build NAME TAG ARGUMENTS...
  local name=$1 image=selfalign/$1:$2 start=$SECONDS; shift 2
  nice -n 5 docker build -q "${arguments[@]}" "$@" -f "$root/Dockerfile.$name" -t "$image" "$root" >/dev/null
  size "$image"
}
build services "$version"
build model-server "$tag" --build-arg "TORCH_VARIANT=$variant"
build training "$tag" --build-arg "TORCH_VARIANT=$variant"
[ "${1:-}" = --trial ] || exit 0
# the small real model lies in the images of a trial
for name in model-server training; do
  start=$SECONDS image=selfalign/$name:$version-trial
  printf 'FROM selfalign/%s:%s\nCOPY . /models/smollm2-135m\n' "$name" "$tag" |
    docker build -q -f - -t "$image" "$root/.cache/models/smollm2-135m" >/dev/null
  size "$image"
done
if [ "$KIND_CLOSED" = 1 ]; then
  context=$KIND_CACHE/versitygw; mkdir -p "$context"
  # without cgo it needs nothing but itself
  [ -x "$context/versitygw" ] || CGO_ENABLED=0 GOBIN="$context" nice -n 5 go install "github.com/versity/versitygw/cmd/versitygw@$VERSITYGW_VERSION"
  printf 'FROM scratch\nCOPY versitygw /usr/local/bin/\nENTRYPOINT ["/usr/local/bin/versitygw"]\n' >"$context/Dockerfile"
  docker build -q -t "$VERSITYGW_IMAGE" "$context" >/dev/null
  docker build -q --network host --build-arg "BASE=local/debian:$SUITE" -t "$PROMETHEUS_IMAGE" - <"$here/prometheus.Dockerfile" >/dev/null
else
  docker pull -q "$VERSITYGW_IMAGE"; docker pull -q "$PROMETHEUS_IMAGE"
fi
