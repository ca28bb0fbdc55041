# What the scripts that work with docker share (sourced, not run): where things lie, and which docker it is.
images=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$images")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/pyproject.toml" | head -1)
# Open: a docker daemon is there and may pull; the Dockerfiles' own base image is used.
# Closed: no image registry; a daemon of our own, and the base images are made from Debian's packages.
if [ -z "${NO_REGISTRY:-}" ]; then
  if env -u DOCKER_HOST docker info >/dev/null 2>&1; then NO_REGISTRY=0; else NO_REGISTRY=1; fi
fi
export NO_REGISTRY
export BASE_IMAGE=${BASE_IMAGE:-} BUILD_IMAGE=${BUILD_IMAGE:-}     # empty: the Dockerfiles' own
if [ "$NO_REGISTRY" = 1 ]; then
  export DOCKER_CACHE=${DOCKER_CACHE:-$root/.cache/docker}
  export DOCKER_HOST=unix://$DOCKER_CACHE/docker.sock
  export DOCKER_BUILDKIT=0                # the legacy builder needs no frontend image and no plugin
  export SUITE=bookworm                   # the last Debian whose systemd boots on a cgroup v1 host
  export DEBIAN_IMAGE=local/debian:$SUITE
  BASE_IMAGE=${BASE_IMAGE:-local/python:3.11-$SUITE}
  BUILD_IMAGE=${BUILD_IMAGE:-local/python-build:3.11-$SUITE}
  PATH=/usr/sbin:/usr/bin:$PATH           # Debian's docker client: it matches Debian's daemon
  mkdir -p "$DOCKER_CACHE"
fi
report_image() { # report_image IMAGE START: how long it took since START, and its size
  echo "$1: $((SECONDS - $2)) s, $(docker image inspect -f '{{.Size}}' "$1" | awk '{printf "%.0f MB", $1 / 1e6}')"
}
