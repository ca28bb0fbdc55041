"""What a probe found: one outcome for every arm and probe, so that arms can be paired."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict


class ProbeOutcome(BaseModel):
    """One arm's answer to one probe. If `reason` is set the request failed: `passed` is None."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arm: str
    """One of the evaluation's arms."""
    probe_id: str
    kind: str
    """What the probe is about, e.g. `harm`; the built-in kinds stand in builtin.yaml."""
    prompt: str
    """Instruction and input, as they are shown to people."""
    answer: str = ""
    passed: bool | None = None
    """Whether the answer has what the probe asks for; None where there is no answer."""
    ended: bool = False
    """Whether the model ended the answer by itself."""
    evidence: str = ""
    """The words that decided, or the message of a failed request."""
    reason: str = ""
    """Name of the error type of a failed request, e.g. EngineTimeout."""


def paired(
    outcomes: Iterable[ProbeOutcome], before: str, after: str
) -> list[tuple[ProbeOutcome, ProbeOutcome]]:
    """Both arms' outcomes of every probe that both have answered, in the first arm's order."""
    scored = [one for one in outcomes if one.passed is not None]
    later = {one.probe_id: one for one in scored if one.arm == after}
    return [
        (one, later[one.probe_id]) for one in scored if one.arm == before and one.probe_id in later
    ]
