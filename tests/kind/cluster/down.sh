#!/bin/bash
# Deletes the cluster; with --all also stops the docker daemon that the closed recipe started.
. "$(dirname "$0")/env.sh"
kind delete cluster --name "$KIND_CLUSTER"
[ "${1:-}" = --all ] && [ "$NO_REGISTRY" = 1 ] || exit 0
docker network rm kind >/dev/null 2>&1
"$images/closed/daemon-down.sh"
