#!/bin/bash
# The base images without pulling anything: $DEBIAN_IMAGE (debootstrap, docker import), on it $BASE_IMAGE with
# Python 3.11 for the Dockerfiles at the top, and on that $BUILD_IMAGE for their build stages.
# The mirror is the one that apt is set up with on this machine.
set -euo pipefail
. "$(dirname "$0")/../docker.sh"
there() { docker image inspect "$1" >/dev/null 2>&1; }
if ! there "$DEBIAN_IMAGE"; then
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/\?$')
  rootfs=$DOCKER_CACHE/rootfs
  rm -rf --one-file-system "$rootfs"
  nice -n 5 debootstrap --variant=minbase --include=ca-certificates "$SUITE" "$rootfs" "$mirror" >"$DOCKER_CACHE/debootstrap.log"
  rm -rf "$rootfs"/var/cache/apt/* "$rootfs"/var/lib/apt/lists/* "$rootfs"/usr/share/{doc,man,locale}/*
  printf 'APT::Install-Recommends "false";\n' >"$rootfs/etc/apt/apt.conf.d/90norecommends"
  tar -C "$rootfs" -c . | docker import - "$DEBIAN_IMAGE" >/dev/null
  rm -rf --one-file-system "$rootfs"
fi
there "$BASE_IMAGE" ||
  docker build -q --network host --build-arg "BASE=$DEBIAN_IMAGE" -t "$BASE_IMAGE" - <"$images/closed/base.Dockerfile" >/dev/null
# every time: the layer of the certificates follows this machine's
context=$DOCKER_CACHE/build-image; mkdir -p "$context"
cp /etc/ssl/certs/ca-certificates.crt "$context/"
docker build -q --network host --build-arg "BASE=$BASE_IMAGE" -t "$BUILD_IMAGE" \
  -f "$images/closed/build.Dockerfile" "$context" >/dev/null
