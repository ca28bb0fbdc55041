#!/bin/bash
# Runs the suite against the cluster; the cluster goes afterwards, unless KEEP=1. Arguments go to pytest.
. "$(dirname "$0")/env.sh"
cd "$root"
export SELFALIGN_KUBECONFIG=$KUBECONFIG
.venv/bin/pytest -m kind tests/integration/kubernetes tests/kind "$@"
status=$?
# quietly: the suite's summary is the last line
[ "${KEEP:-0}" = 1 ] || "$here/down.sh" --all >"$KIND_CACHE/down.log" 2>&1
exit $status
