#!/bin/bash
# Runs the suite against the cluster; the cluster goes afterwards, unless KEEP=1. Arguments go to pytest.
. "$(dirname "$0")/env.sh"
cd "$root"
export SELFALIGN_KUBECONFIG=$KUBECONFIG
start=$SECONDS
.venv/bin/pytest -m kind tests/integration/kubernetes tests/kind "$@"
status=$?
echo "kind suite: $((SECONDS - start)) s"
[ "${KEEP:-0}" = 1 ] || "$here/down.sh" --all
exit $status
