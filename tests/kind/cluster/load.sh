#!/bin/bash
# Loads the trial's images into the worker nodes, those that are not there yet, as `kind load` does but in
# one stream without a file between: a layer that two images share travels once.
set -euo pipefail
. "$(dirname "$0")/env.sh"
names=("selfalign/services:$version" "selfalign/model-server:$version-trial" "selfalign/training:$version-trial"
  "$VERSITYGW_IMAGE" "$PROMETHEUS_IMAGE")
loaded=/kind/loaded-images      # in the node: name and id of what was loaded
start=$SECONDS
load() {
  local node=$1 image entry missing=() entries=()
  for image in "${names[@]}"; do
    entry="$image $(docker image inspect -f '{{.Id}}' "$image")"
    docker exec "$node" grep -qxF "$entry" $loaded 2>/dev/null && continue
    missing+=("$image"); entries+=("$entry")
  done
  [ ${#missing[@]} = 0 ] && return
  # What a layer was unpacked from goes at once: a node would hold each image twice.
  docker save "${missing[@]}" |
    docker exec -i "$node" ctr -n k8s.io images import --all-platforms --digests --snapshotter overlayfs \
      --local --discard-unpacked-layers - >"$KIND_CACHE/load-$node.log" 2>&1 ||
    { cat "$KIND_CACHE/load-$node.log" >&2; return 1; }
  printf '%s\n' "${entries[@]}" | docker exec -i "$node" tee -a $loaded >/dev/null
  echo "$node: loaded ${missing[*]}"
}
loads=()
for node in $(kind get nodes --name "$KIND_CLUSTER" | grep -v control-plane | sort); do load "$node" & loads+=($!); done
for load in "${loads[@]}"; do wait "$load"; done
echo "images loaded: $((SECONDS - start)) s"
