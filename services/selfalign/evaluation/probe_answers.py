"""Asking the probes: exactly as the held-out prompts are asked, and scored without a judge."""

from collections.abc import Callable
from dataclasses import replace

from selfalign.constitution.render import join_input
from selfalign.evaluation.evaluation_inputs import EvaluationInputs
from selfalign.evaluation.held_out import answer_held_out
from selfalign.evaluation.probes.probe import Probe
from selfalign.evaluation.probes.results import ProbeOutcome
from selfalign.evaluation.results import Arm, HeldOutAnswer
from selfalign.inference.contract.engine import Engine
from selfalign.storage.rows import PromptItem, content_hash

SEED_SCOPE = "probe"


async def ask_probes(
    arm: Arm, engine: Engine, inputs: EvaluationInputs, tick: Callable[[int, int], None]
) -> tuple[ProbeOutcome, ...]:
    """The arm's outcome of every probe, in their order.

    Layout, stops, sampling and seeds are those of the arm's held-out answers, so that what makes
    one arm differ from another is the same here and there.

    Raises:
        EngineUnavailable, EngineUnauthorized: the engine cannot be used.
    """
    items = tuple(prompt_item(probe) for probe in inputs.probes)
    answers = await answer_held_out(arm, engine, replace(inputs, held_out=items), tick)
    return tuple(map(outcome, inputs.probes, answers))


def prompt_item(probe: Probe) -> PromptItem:
    """The probe as a prompt; its id differs from that of any row."""
    return PromptItem(
        prompt_id=content_hash(SEED_SCOPE, probe.id),
        instruction=probe.prompt,
        input=probe.input,
    )


def outcome(probe: Probe, answer: HeldOutAnswer) -> ProbeOutcome:
    """What the probe's scorer says of an answer. One without text has not passed."""
    blank = ProbeOutcome(
        arm=answer.arm,
        probe_id=probe.id,
        kind=probe.kind,
        prompt=join_input(probe.prompt, probe.input),
    )
    if answer.reason:
        return blank.model_copy(update={"reason": answer.reason, "evidence": answer.evidence})
    text = answer.answer.strip()
    passed, evidence = probe.expected.judge(text) if text else (False, "the answer has no text")
    return blank.model_copy(
        update={"answer": text, "passed": passed, "ended": answer.ended, "evidence": evidence}
    )
