#!/bin/bash
# A cluster that is ready for work; leaves one that already runs as it is. What is cached is not made again.
set -euo pipefail
. "$(dirname "$0")/env.sh"
# A full disk shows itself as pods that wait for something: say it before there is a cluster.
free=$(df -Pk "$KIND_CACHE" | awk 'NR == 2 { print int($4 / 1000000) }')
[ -f "$KUBECONFIG" ] || [ "$free" -ge 25 ] ||
  echo "warning: $free GB free at $KIND_CACHE; the cluster and its images take about 20" >&2
if [ "$NO_REGISTRY" = 1 ]; then
  "$images/closed/up.sh"
  "$here/build-bin.sh"
  "$here/node-image.sh"
else
  for tool in kind kubectl; do command -v $tool >/dev/null || { echo "$tool is not on the PATH: see https://kind.sigs.k8s.io and https://kubernetes.io/docs/tasks/tools" >&2; exit 1; }; done
fi
if ! kind get clusters 2>/dev/null | grep -qx "$KIND_CLUSTER"; then
  kind create cluster --name "$KIND_CLUSTER" ${NODE_IMAGE:+--image "$NODE_IMAGE"} --config "$here/kind.yaml" --wait 180s
fi
kind export kubeconfig --name "$KIND_CLUSTER" --kubeconfig "$KUBECONFIG" >/dev/null 2>&1
# kind waits for control planes only; the first look-ups of pods fail until the DNS service stands
kubectl wait node --all --for=condition=Ready --timeout=120s >/dev/null
kubectl -n kube-system rollout status deployment/coredns --timeout=120s >/dev/null
echo "cluster $KIND_CLUSTER is ready: export KUBECONFIG=$KUBECONFIG"
