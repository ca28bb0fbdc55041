"""Kubernetes' Pod Security Standard "restricted", and this project's rules beside it."""

from collections.abc import Iterator, Mapping
from typing import Any

from support.helm import containers

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def violations(spec: Mapping[str, Any]) -> Iterator[str]:
    """Why the standard would refuse a pod, or why we would."""
    pod = spec.get("securityContext", {})
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield name
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= VOLUMES:
            yield f"volume {volume['name']}: {', '.join(sorted(kinds))}"
    for container in containers(spec):
        for problem in _of_container(container, pod):
            yield f"container {container['name']}: {problem}"


def _of_container(container: Mapping[str, Any], pod: Mapping[str, Any]) -> Iterator[str]:
    context = {**pod, **container.get("securityContext", {})}
    if context.get("privileged"):
        yield "privileged"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if context.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not true"
    if context.get("runAsUser") == 0:
        yield "runAsUser is 0"
    if context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile"
    capabilities = context.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield "capabilities are not dropped"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "capabilities are added"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "hostPort"
    # Ours: the hook of the NVIDIA runtime writes into the root file system, nobody else may.
    limits = container.get("resources", {}).get("limits", {})
    if context.get("readOnlyRootFilesystem") is not True and not any(
        "/" in name for name in limits
    ):
        yield "the root file system is writable"
    if "memory" not in limits or "cpu" not in container["resources"].get("requests", {}):
        yield "no memory limit or no CPU request"
