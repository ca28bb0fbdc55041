#!/bin/bash
# Stops the private dockerd and undoes what it changed on this machine.
. "$(dirname "$0")/../docker.sh"
state=$DOCKER_CACHE
pid=$(cat "$state/docker.pid" 2>/dev/null) && kill "$pid" &&
  for _ in $(seq 40); do kill -0 "$pid" 2>/dev/null || break; sleep 0.5; done
# dockerd leaves its firewall chains, FORWARD DROP and ip_forward behind
for table in filter nat raw; do
  iptables-save -t $table 2>/dev/null | grep -E '^-A.*DOCKER' | sed 's/^-A/-D/' |
    while IFS= read -r rule; do eval iptables -t $table "$rule" 2>/dev/null; done
  for action in -F -X; do
    for chain in $(iptables-save -t $table 2>/dev/null | grep -oE '^:DOCKER[^ ]*' | cut -c2-); do
      iptables -t $table $action "$chain"
    done
  done
done
if [ "$(cat "$state/ip_forward.before" 2>/dev/null)" = 0 ]; then
  iptables -P FORWARD ACCEPT
  echo 0 >/proc/sys/net/ipv4/ip_forward
fi
rm -f "$state/ip_forward.before"
grep " $state/" /proc/mounts | awk '{print $2}' | sort -r | while read -r mount; do umount "$mount"; done
for group in /sys/fs/cgroup/*/docker; do find "$group" -depth -type d -exec rmdir {} + 2>/dev/null; done   # empty ones only
rmdir /lib/modules 2>/dev/null   # an empty one that docker's bind mount made
true
