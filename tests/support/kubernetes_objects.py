"""Objects as a real API server gave them, cut to what is looked at."""

from typing import Any

Object = dict[str, Any]


def pod(name: str = "job-0-abcde", index: int = 0, **status: Any) -> Object:
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": "2026-11-24T10:00:00Z",
            "annotations": {"batch.kubernetes.io/job-completion-index": str(index)},
        },
        "spec": {"containers": [{"name": "worker"}], "nodeName": "n1"},
        "status": {"phase": "Pending", **status},
    }


def unscheduled(message: str, **changes: Any) -> Object:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
    }
    return pod(conditions=[condition | changes])


def waiting(reason: str, message: str = "", *, init: bool = False) -> Object:
    status = {
        "name": "weights" if init else "worker",
        "image": "selfalign/services:0.1.0",
        "state": {"waiting": {"reason": reason, "message": message}},
    }
    made = pod()
    made["status"]["initContainerStatuses" if init else "containerStatuses"] = [status]
    return made


def failed(
    code: int, reason: str = "Error", *, name: str = "job-0-abcde", index: int = 0, at: int = 1
) -> Object:
    state = {
        "terminated": {
            "exitCode": code,
            "reason": reason,
            "finishedAt": f"2026-11-24T10:00:{at:02d}Z",
        }
    }
    made = pod(name, index, phase="Failed", containerStatuses=[{"name": "worker", "state": state}])
    made["metadata"]["creationTimestamp"] = f"2026-11-24T10:00:{at:02d}Z"
    return made


def event(reason: str, message: str, *, about: str = "job-0-abcde", at: int = 1) -> Object:
    return {
        "reason": reason,
        "message": message,
        "involvedObject": {"kind": "Pod", "name": about},
        "lastTimestamp": f"2026-11-24T10:00:{at:02d}Z",
        "metadata": {"name": f"{about}.{at}"},
    }
