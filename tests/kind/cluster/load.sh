#!/bin/bash
# Loads the images into the worker nodes, in one archive: a layer that two images share travels once.
# Images that the nodes hold already are left.
set -euo pipefail
. "$(dirname "$0")/env.sh"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/pyproject.toml" | head -1)
images=("selfalign/services:$version" "selfalign/model-server:$version" "selfalign/training:$version" "$VERSITYGW_IMAGE" "$PROMETHEUS_IMAGE")
workers=$(kind get nodes --name "$KIND_CLUSTER" | grep -v control-plane)
start=$SECONDS
kind load docker-image "${images[@]}" --name "$KIND_CLUSTER" --nodes "$(echo $workers | tr ' ' ,)"
echo "images loaded: $((SECONDS - start)) s"
