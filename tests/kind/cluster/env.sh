# Settings shared by every script here (sourced, not run). All that is made lands under $KIND_CACHE.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../../images/docker.sh"         # root, version, NO_REGISTRY and what goes with it
export KIND_CACHE=${KIND_CACHE:-$root/.cache/kind}
export KIND_BIN=$KIND_CACHE/bin             # kind and kubectl for this machine
export KIND_CLUSTER=${KIND_CLUSTER:-selfalign}
export KUBE_VERSION=v1.37.2 KIND_VERSION=v0.33.0
export VERSITYGW_VERSION=v1.8.0
export VERSITYGW_IMAGE=versity/versitygw:$VERSITYGW_VERSION   # as in the chart's values
export KUBECONFIG=$KIND_CACHE/kubeconfig
if [ "$NO_REGISTRY" = 1 ]; then
  export NODE_IMAGE=${NODE_IMAGE:-local/kind-node:$KUBE_VERSION}
  export PROMETHEUS_IMAGE=local/prometheus:2.42
else
  export NODE_IMAGE=${NODE_IMAGE:-}         # empty: the one that this kind release names
  export PROMETHEUS_IMAGE=prom/prometheus:v2.55.1
fi
export PATH=$KIND_BIN:$root/.cache/bin:$PATH
mkdir -p "$KIND_CACHE" "$KIND_BIN"
