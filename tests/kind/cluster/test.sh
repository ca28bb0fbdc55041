#!/bin/bash
# Runs the suite against the cluster; the cluster goes afterwards, unless KEEP=1.
. "$(dirname "$0")/env.sh"
cd "$root"
start=$SECONDS
.venv/bin/pytest -m kind tests/kind "$@"
status=$?
echo "kind suite: $((SECONDS - start)) s"
[ "${KEEP:-0}" = 1 ] || "$here/down.sh" --all
exit $status
