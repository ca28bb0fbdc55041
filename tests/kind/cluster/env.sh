# Settings shared by every script here (sourced, not run). All that is made lands under $KIND_CACHE.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
export KIND_CACHE=${KIND_CACHE:-$root/.cache/kind}
export KIND_BIN=$KIND_CACHE/bin             # kind and kubectl for this machine
export KIND_CLUSTER=${KIND_CLUSTER:-selfalign}
export KUBE_VERSION=v1.37.2 KIND_VERSION=v0.33.0
export VERSITYGW_VERSION=v1.8.0
export VERSITYGW_IMAGE=versity/versitygw:$VERSITYGW_VERSION   # as in the chart's values
export KUBECONFIG=$KIND_CACHE/kubeconfig
# Open: a docker daemon is there and may pull; the public node and base images are used.
# Closed: no image registry; a daemon of our own, and every image is made from packages.
if [ -z "${KIND_CLOSED:-}" ]; then
  if env -u DOCKER_HOST docker info >/dev/null 2>&1; then KIND_CLOSED=0; else KIND_CLOSED=1; fi
fi
export KIND_CLOSED
if [ "$KIND_CLOSED" = 1 ]; then
  export DOCKER_HOST=unix://$KIND_CACHE/docker/docker.sock
  export SUITE=bookworm                     # the last Debian whose systemd boots on a cgroup v1 host
  export BASE_IMAGE=${BASE_IMAGE:-local/python:3.11-$SUITE}
  export NODE_IMAGE=${NODE_IMAGE:-local/kind-node:$KUBE_VERSION}
  export PROMETHEUS_IMAGE=local/prometheus:2.42
  PATH=/usr/sbin:/usr/bin:$PATH             # Debian's docker client: it matches Debian's daemon
else
  export BASE_IMAGE=${BASE_IMAGE:-}         # empty: the Dockerfiles' own
  export NODE_IMAGE=${NODE_IMAGE:-}         # empty: the one that this kind release names
  export PROMETHEUS_IMAGE=prom/prometheus:v2.55.1
fi
export PATH=$KIND_BIN:$root/.cache/bin:$PATH
mkdir -p "$KIND_CACHE" "$KIND_BIN"
