"""The evaluation of the real small model through the real server and client."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from selfalign.evaluation.arms import evaluate_arm, merge
from selfalign.evaluation.probes.probes_file import load_probes
from selfalign.evaluation.report.run_report import render_report
from selfalign.evaluation.results import ArmResults
from selfalign.inference.client.build import build_engine
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.inference.contract.engine import Engine
from selfalign.telemetry.metrics import Metrics
from support import made_up_run

pytestmark = pytest.mark.model


@pytest_asyncio.fixture
async def engine(model_server: str) -> AsyncIterator[Engine]:
    engine = build_engine(EngineSettings(url=model_server, top_logprobs=100), Metrics())
    yield engine
    await engine.close()


async def test_everything_is_answered_and_reported(engine: Engine) -> None:
    inputs = made_up_run.inputs(
        hhh_limit=2,
        truthfulqa_limit=2,
        probe_rows=1,
        sampling={"max_new_tokens": 8, "temperature": 0.0, "top_p": 1.0},
    )
    inputs = replace(inputs, held_out=inputs.held_out[:1], probes=load_probes(None)[:2])
    arm = await evaluate_arm("base", engine, inputs)
    assert [(answer.arm, answer.reason) for answer in arm.answers] == [
        ("base_constitution", ""),
        ("base", ""),
        ("base_own", ""),
    ]
    assert all(answer.tokens for answer in arm.answers)
    asked = [(outcome.arm, outcome.probe_id) for outcome in arm.outcomes]
    arms = [answer.arm for answer in arm.answers]
    assert asked == [(name, probe.id) for name in arms for probe in inputs.probes]
    assert all(outcome.passed is not None for outcome in arm.outcomes)
    items = [item for scores in arm.benchmarks for item in scores.items]
    assert len(items) == 4
    assert {item.reason for item in items} == {""}
    # Both answers are among the model's likely ones: the wording leads up to them.
    assert sum(item.missing for item in items) == 0
    (probe,) = arm.probes
    assert len(probe.scores) == len(inputs.constitution.principles)
    assert len(set(probe.scores.values())) > 1
    stored = ArmResults.model_validate_json(arm.model_dump_json())
    page = render_report(made_up_run.view(merge(inputs, [stored])))
    assert "smollm2" in arm.model_id
    assert 'class="answer base_constitution"' in page


async def test_a_likelier_continuation_scores_higher(engine: Engine) -> None:
    prompt = "The capital of France is Paris. The capital of Italy is Rome. The capital of Spain is"
    first, second = await engine.next_token_logprobs(prompt, (" Madrid", " the"), deadline_s=60.0)
    assert first is not None
    assert second is None or first > second
