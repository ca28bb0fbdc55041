"""Events of a job while it runs: JSON lines on stdout."""

import json


def tell(event: str, **fields: object) -> None:
    """One JSON line on stdout, e.g. {"event": "step", "step": 3, "steps": 15, "loss": 1.2}."""
    # Line end included: threads tell too, and must not cut into one another's lines.
    print(json.dumps({"event": event, **fields}) + "\n", end="", flush=True)
