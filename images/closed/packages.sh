#!/bin/bash
# The Debian packages that the closed recipe calls. Nothing is started by their installation.
set -euo pipefail
. "$(dirname "$0")/../docker.sh"
missing=()
for package in docker.io runc iptables debootstrap jq; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} = 0 ] && exit 0
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
  trap 'rm -f $policy' EXIT
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -yqq --no-install-recommends "${missing[@]}" >"$DOCKER_CACHE/apt.log"
