"""The service over a real gRPC server and the typed client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from selfalign.errors import ConfigError, DataError, EngineUnauthorized, EngineUnavailable
from selfalign.inference.contract.engine import EngineInfo
from selfalign.prompt_synthesizer.service import registration
from selfalign.prompt_synthesizer.synthesizer_settings import PromptSynthesizerSettings
from selfalign.rpc.channel import ChannelSettings
from selfalign.rpc.clients import PromptSynthesizerClient
from selfalign.rpc.server import ServerSettings, run_server
from selfalign.settings.prompt_source import SynthesizedSource
from selfalign.settings.sampling import SamplingParams
from selfalign.storage.rows import Row, RowStatus
from support.scripted_engine import ScriptedEngine

ART = "Questions that require art"
SETTINGS = PromptSynthesizerSettings.model_validate({"topic_guided": {"layout": "line"}})


def script(prompt: str, params: SamplingParams, seed: int | None) -> str:
    if prompt.endswith("topic: Silk, instruction:"):
        return " Who wove the first silk?"
    if prompt == "<user>Well,":
        return " what about bees?"
    if prompt == "<user>":
        return "Could you tell me about silk?"
    if prompt.endswith("Instruction:"):
        return " Name a river in Spain.\n6. Input:\n<noinput>\n###"
    return f"2. Topic{seed}\n"


@asynccontextmanager
async def serving(engine: ScriptedEngine) -> AsyncIterator[PromptSynthesizerClient]:
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    service = await registration(engine, SETTINGS)
    server = asyncio.create_task(
        run_server([service], ServerSettings(host="127.0.0.1", port=0), ready=ready.set_result)
    )
    server.add_done_callback(lambda _: ready.done() or ready.cancel())
    try:
        port = await ready
        async with PromptSynthesizerClient(ChannelSettings(target=f"127.0.0.1:{port}")) as client:
            yield client
    finally:
        server.cancel()
        await asyncio.gather(server, return_exceptions=True)


async def collect(rows: AsyncIterator[Row]) -> list[Row]:
    return [row async for row in rows]


async def test_rows_cross_the_wire() -> None:
    engine = ScriptedEngine(script)
    async with serving(engine) as client:
        topics = await collect(
            client.brainstorm_topics(
                question_type=ART,
                known_topics=["Silk"],
                quota=3,
                seed=1,
                max_completions=9,
                deadline_s=30,
            )
        )
        assert [row.status for row in topics] == [RowStatus.ACCEPTED] * 3
        assert {row.model_id for row in topics} == {"scripted"}
        own = await collect(
            client.synthesize_prompts(
                source="self_instruct", completions=2, hints=[], seed=1, deadline_s=30
            )
        )
        assert [row.instruction for row in own] == ["Name a river in Spain."] * 2
        guided = await collect(
            client.synthesize_prompts(
                source="topic_guided", completions=0, hints=[(ART, "Silk")], seed=1, deadline_s=30
            )
        )
        assert [row.instruction for row in guided] == ["Who wove the first silk?"]
        turn = partial(
            client.synthesize_prompts,
            source="template",
            completions=2,
            hints=[],
            seed=1,
            deadline_s=30,
            user_turn=("<user>", "</user>"),
        )
        turns = await collect(turn())
        assert [row.instruction for row in turns] == ["Could you tell me about silk?"] * 2
        assert {row.source for row in turns} == {"template"}
        asked = [params.stop for prompt, params, _ in engine.calls if prompt == "<user>"]
        assert asked == [("</user>",)] * 2
        begun = await collect(turn(openings=("Well,", "")))
        assert [row.instruction for row in begun] == [
            "Well, what about bees?",
            "Could you tell me about silk?",
        ]
        asked_for = await collect(turn(source="request", openings=("Well,", "Well,")))
        assert [(row.source, row.instruction) for row in asked_for] == [
            ("request", "Well, what about bees?")
        ] * 2
        assert {row.row_id for row in asked_for}.isdisjoint(row.row_id for row in begun)


@pytest.mark.parametrize(
    ("source", "openings", "message"),
    [
        ("template", ("Well,",), "got 1 for 2 completions of source template; expected one for"),
        ("request", (), "got 0 for 2 completions of source request; expected one for each, with"),
        ("request", ("Well,", " "), "expected one for each, with words in it"),
    ],
)
async def test_bad_openings(
    source: SynthesizedSource, openings: tuple[str, ...], message: str
) -> None:
    async with serving(ScriptedEngine(script)) as client:
        with pytest.raises(ConfigError, match=f"openings: .*{message}"):
            await collect(
                client.synthesize_prompts(
                    source=source,
                    completions=2,
                    hints=[],
                    seed=1,
                    deadline_s=30,
                    user_turn=("<user>", "</user>"),
                    openings=openings,
                )
            )


@pytest.mark.parametrize(
    ("source", "completions", "hints", "message"),
    [
        ("self_instruct", 0, [], "at least one completion"),
        ("self_instruct", 1, [(ART, "Silk")], "no hint"),
        ("topic_guided", 0, [], "at least one"),
        ("topic_guided", 0, [(ART, "")], "each with a question_type and a topic"),
        ("template", 0, [], "got 0 completions"),
        ("template", 1, [], "user_turn_prefix ''; expected"),
        ("request", 1, [], "user_turn_prefix ''; expected"),
        ("other", 1, [], "source: 'other' is unknown"),
    ],
)
async def test_bad_synthesis_requests(
    source: SynthesizedSource,
    completions: int,
    hints: list[tuple[str, str]],
    message: str,
) -> None:
    async with serving(ScriptedEngine(script)) as client:
        with pytest.raises(ConfigError, match=message):
            await collect(
                client.synthesize_prompts(
                    source=source, completions=completions, hints=hints, seed=1, deadline_s=30
                )
            )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question_type": " "}, "question_type is empty"),
        ({"quota": 0}, "quota is 0"),
        ({"max_completions": 0}, "max_completions 0"),
    ],
)
async def test_bad_topic_requests(change: dict[str, Any], message: str) -> None:
    request: dict[str, Any] = {
        "question_type": ART,
        "known_topics": [],
        "quota": 1,
        "seed": 1,
        "max_completions": 1,
    }
    async with serving(ScriptedEngine(script)) as client:
        with pytest.raises(ConfigError, match=message):
            await collect(client.brainstorm_topics(**{**request, **change}, deadline_s=30))


@pytest.mark.parametrize(
    ("input_limit", "total_limit", "message"),
    [
        (4000, 8000, None),
        (None, None, None),
        (50, 8000, r"synthesizer\.self_instruct: the longest prompt has \d+ tokens"),
        (4000, 500, r"synthesizer\.self_instruct: prompt and completion need \d+ tokens"),
    ],
)
async def test_prompts_must_fit_the_engine(
    input_limit: int | None, total_limit: int | None, message: str | None
) -> None:
    engine = ScriptedEngine(script, EngineInfo("scripted", input_limit, total_limit, None))
    if message is None:
        await registration(engine, PromptSynthesizerSettings())
    else:
        with pytest.raises(ConfigError, match=message):
            await registration(engine, PromptSynthesizerSettings())


class Down(ScriptedEngine):
    error: Exception | None = None

    async def info(self) -> EngineInfo:
        if self.error:
            raise self.error
        return self.limits


async def test_an_engine_that_is_down_only_delays_readiness() -> None:
    engine = Down(script)
    engine.error = EngineUnavailable("down")
    service = await registration(engine, SETTINGS)
    assert service.full_name == "selfalign.v1.PromptSynthesizerService"
    assert service.check is not None
    with pytest.raises(EngineUnavailable):
        await service.check()
    engine.error = None
    await service.check()


async def test_errors_that_will_not_pass_stop_the_service(tmp_path: Path) -> None:
    engine = Down(script)
    engine.error = EngineUnauthorized("wrong token")
    with pytest.raises(EngineUnauthorized):
        await registration(engine, SETTINGS)
    (tmp_path / "seeds.jsonl").write_text("")
    with pytest.raises(DataError, match="holds no seeds"):
        await registration(ScriptedEngine(script), SETTINGS, tmp_path / "seeds.jsonl")
