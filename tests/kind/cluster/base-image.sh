#!/bin/bash
# Closed machine: a Debian base without pulling anything (debootstrap, docker import), in two images:
# local/debian for the node, and $BASE_IMAGE with Python 3.11 for the Dockerfiles at the top.
# It uses the mirror that apt is set up with on this machine.
set -euo pipefail
. "$(dirname "$0")/env.sh"
[ "$KIND_CLOSED" = 1 ] || exit 0
debian=local/debian:$SUITE
if ! docker image inspect "$debian" >/dev/null 2>&1; then
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/\?$')
  rootfs=$KIND_CACHE/rootfs
  rm -rf --one-file-system "$rootfs"
  nice -n 5 debootstrap --variant=minbase --include=ca-certificates "$SUITE" "$rootfs" "$mirror" >"$KIND_CACHE/debootstrap.log"
  rm -rf "$rootfs"/var/cache/apt/* "$rootfs"/var/lib/apt/lists/* "$rootfs"/usr/share/{doc,man,locale}/*
  printf 'APT::Install-Recommends "false";\n' >"$rootfs/etc/apt/apt.conf.d/90norecommends"
  tar -C "$rootfs" -c . | docker import - "$debian" >/dev/null
  rm -rf --one-file-system "$rootfs"
fi
if ! docker image inspect "$BASE_IMAGE" >/dev/null 2>&1; then
  DOCKER_BUILDKIT=0 docker build -q --network host --build-arg "BASE=$debian" -t "$BASE_IMAGE" - <"$here/base.Dockerfile"
fi
