#!/bin/bash
# Starts a private dockerd with its own socket and data folder, and no docker0 bridge.
set -euo pipefail
. "$(dirname "$0")/../docker.sh"
docker info >/dev/null 2>&1 && exit 0
state=$DOCKER_CACHE
# dockerd sets it to 1; daemon-down.sh puts it back
[ -f "$state/ip_forward.before" ] || cat /proc/sys/net/ipv4/ip_forward >"$state/ip_forward.before"
setsid nohup dockerd -H "$DOCKER_HOST" --data-root "$state/data" --exec-root "$state/exec" \
  --pidfile "$state/docker.pid" --add-runtime wrapped="$images/closed/runc-wrap.sh" --default-runtime wrapped \
  --bridge none --exec-opt native.cgroupdriver=cgroupfs --log-level warn >"$state/dockerd.log" 2>&1 </dev/null &
for _ in $(seq 60); do docker info >/dev/null 2>&1 && exit 0; sleep 0.5; done
tail -20 "$state/dockerd.log"
exit 1
