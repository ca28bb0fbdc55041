#!/bin/bash
# Closed machine: starts a private dockerd with its own socket and data folder, and no docker0 bridge.
set -euo pipefail
. "$(dirname "$0")/env.sh"
[ "$KIND_CLOSED" = 1 ] || exit 0
docker info >/dev/null 2>&1 && exit 0
state=$KIND_CACHE/docker
mkdir -p "$state"
# dockerd sets it to 1; down.sh --all puts it back
[ -f "$state/ip_forward.before" ] || cat /proc/sys/net/ipv4/ip_forward >"$state/ip_forward.before"
setsid nohup dockerd -H "$DOCKER_HOST" --data-root "$state/data" --exec-root "$state/exec" \
  --pidfile "$state/docker.pid" --add-runtime wrapped="$here/runc-wrap.sh" --default-runtime wrapped \
  --bridge none --exec-opt native.cgroupdriver=cgroupfs --log-level warn >"$state/dockerd.log" 2>&1 </dev/null &
for _ in $(seq 60); do docker info >/dev/null 2>&1 && exit 0; sleep 0.5; done
tail -20 "$state/dockerd.log"
exit 1
