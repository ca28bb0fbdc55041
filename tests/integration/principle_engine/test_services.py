"""Principle-engine and refiner over real sockets: our clients, gRPC servers, an HTTP engine."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib import resources
from typing import Any

import pytest

from selfalign.constitution.lint import digest
from selfalign.constitution.render import render_prefix
from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import ConfigError, EngineError, PromptTooLong, SelfAlignError
from selfalign.inference.client.build import build_engine
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.inference.contract.engine import Engine
from selfalign.layout.build import make_layout
from selfalign.principle_engine import service as principle_engine
from selfalign.principle_engine.align_settings import PrincipleEngineSettings
from selfalign.refiner import service as refiner
from selfalign.refiner.refine_settings import RefinerSettings
from selfalign.rpc.channel import ChannelSettings
from selfalign.rpc.clients import PrincipleEngineClient, RefinerClient
from selfalign.rpc.layouts import RunLayout
from selfalign.rpc.server import ServerSettings, ServiceRegistration, run_server
from selfalign.storage.rows import PromptItem, Row, RowStatus, prompt_id
from selfalign.telemetry.metrics import Metrics
from support.chat_templates import template
from support.engine_double import EngineDouble, serving

C = load_constitution()
W = C.wording
ANSWER = (
    "Tides are the regular rise and fall of the sea. The moon pulls on the water that faces it "
    "more strongly than on the water far away, so that two bulges form, and as the earth turns "
    "beneath them most coasts see two high waters a day."
)
ALIGNED = f" {W.opening} It is about tides. {W.rules_lead} 2 (informative).\n\n{W.answer_header} "


def answer(prompt: str, parameters: dict[str, Any]) -> str:
    """Bad text for every prompt that asks for it."""
    text = "Too short." if "be brief" in prompt[-200:] else ANSWER
    return ALIGNED + text if prompt.endswith(W.thoughts_header) else text


def roomy(**settings: Any) -> EngineDouble:
    double = EngineDouble(answer=answer, **settings)
    double.info |= {"max_input_tokens": 8191, "max_total_tokens": 8192}
    return double


Register = Callable[[Engine], Any]


@asynccontextmanager
async def running(double: EngineDouble, register: Register) -> AsyncIterator[ChannelSettings]:
    """The service of `register` over the double; yields how to reach it."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    settings = ServerSettings(host="127.0.0.1", port=0)
    async with serving(double) as url, _engine(url) as engine:
        registration: ServiceRegistration = await register(engine)
        server = asyncio.create_task(run_server([registration], settings, ready=port.set_result))
        try:
            yield ChannelSettings(target=f"127.0.0.1:{await port}")
        finally:
            server.cancel()
            await asyncio.gather(server, return_exceptions=True)


@asynccontextmanager
async def _engine(url: str) -> AsyncIterator[Engine]:
    engine = build_engine(EngineSettings(url=url, retry_attempts=0), Metrics())
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def aligning(double: EngineDouble) -> AsyncIterator[PrincipleEngineClient]:
    """A client of a principle-engine with the default settings."""
    register = align_with(PrincipleEngineSettings())
    async with running(double, register) as target, _client(target) as client:
        yield client


def align_with(settings: PrincipleEngineSettings) -> Register:
    return lambda engine: principle_engine.registration(engine, settings, C)


def refine_with(settings: RefinerSettings) -> Register:
    return lambda engine: refiner.registration(engine, settings, C)


def item(text: str) -> PromptItem:
    return PromptItem(prompt_id=prompt_id(text), instruction=text, seed=3)


ITEMS = [
    *(item(f"Explain tide number {number}.") for number in range(60)),
    *(item(f"Explain tide number {number}, but be brief.") for number in range(20)),
    *(item(f"Explain tide number {number} {{{{fault:422}}}}.") for number in range(10)),
    item(" "),
]


def check_streamed(rows: list[Row]) -> None:
    """Exactly one row for each prompt, each with its own fate."""
    assert sorted(row.prompt_id for row in rows) == sorted(one.prompt_id for one in ITEMS)
    by_status = {status: [r for r in rows if r.status is status] for status in RowStatus}
    assert [len(by_status[status]) for status in RowStatus] == [60, 20, 11]
    assert {row.answer for row in by_status[RowStatus.ACCEPTED]} == {ANSWER}
    assert {row.reason for row in by_status[RowStatus.FAILED]} == {"EngineRejected", "DataError"}
    assert {row.model_id for row in rows} == {"double"}


async def test_a_stream_gives_every_prompt_its_row_within_the_limit() -> None:
    double = roomy(delay_s=0.01)
    settings = PrincipleEngineSettings(max_in_flight=8)
    async with running(double, align_with(settings)) as target, _client(target) as client:
        rows = [row async for row in client.align_prompts(_stream())]
    check_streamed(rows)
    assert {row.reason for row in rows if row.status is RowStatus.REJECTED} == {"too_short"}
    assert 1 < double.most_running <= 8
    prompts = [request["inputs"] for request in double.requests]
    assert all(prompt.startswith(render_prefix(C)) for prompt in prompts)


async def test_the_refiner_streams_likewise() -> None:
    settings = RefinerSettings.model_validate({"filters": {"min_chars": 60}})
    async with running(roomy(), refine_with(settings)) as target:
        client = RefinerClient(target)
        rows = [row async for row in client.refine_prompts(_stream())]
        one = await client.refine_prompt(item("Explain tides."), 10)
        await client.close()
    check_streamed(rows)
    assert (one.status, one.answer) == (RowStatus.ACCEPTED, ANSWER)


async def test_a_stream_is_answered_in_the_run_s_layout() -> None:
    """Told with the first prompt, for all of them: the service's own run file does not know it."""
    double, run = roomy(), RunLayout(template())
    layout, headers = make_layout(C, run.template), make_layout(C, None)
    async with running(double, refine_with(RefinerSettings())) as target:
        client = RefinerClient(target)
        texts = [f"Explain tide number {number}." for number in range(30)]
        rows = [row async for row in client.refine_prompts(map(item, texts), layout=run)]
        asked = {request["inputs"] for request in double.requests}
        await client.refine_prompt(item("Explain tides."), 10, layout=run)
        await client.refine_prompt(item("Explain tides."), 10)
        await client.close()
    assert len(rows) == len(texts)
    assert asked == {layout.verbose_prompt(text) for text in texts}
    last = [request["inputs"] for request in double.requests[-2:]]
    assert last == [one.verbose_prompt("Explain tides.") for one in (layout, headers)]


async def test_the_principle_engine_asks_in_the_run_s_layout_likewise() -> None:
    """Which decides between a chat and two calls under the constitution too."""
    double, run = roomy(), RunLayout(template())
    layout = make_layout(C, run.template)
    settings = PrincipleEngineSettings(calls="auto")
    async with running(double, align_with(settings)) as target, _client(target) as client:
        texts = [f"Explain tide number {number}." for number in range(30)]
        rows = [row async for row in client.align_prompts(map(item, texts), layout=run)]
        asked = {request["inputs"] for request in double.requests}
        await client.align_prompt(item("Explain tides."), 10, layout=run)
        await client.align_prompt(item("Explain tides."), 10)
    assert [row.status for row in rows] == [RowStatus.ACCEPTED] * len(texts)
    assert asked == {layout.own_prompt(text) for text in texts}
    chat, *calls = [request["inputs"] for request in double.requests[len(texts) :]]
    assert chat == layout.own_prompt("Explain tides.")
    assert len(calls) == 2
    assert all(one.startswith(render_prefix(C)) for one in calls)


async def test_a_layout_that_cannot_be_used_ends_the_stream_with_its_fault() -> None:
    broken = RunLayout(template("{{ raise_exception('no') }}"))
    async with running(roomy(), refine_with(RefinerSettings())) as target:
        client = RefinerClient(target)
        with pytest.raises(ConfigError, match="refuses a conversation of user: no"):
            [row async for row in client.refine_prompts([item("Why?")], layout=broken)]
        await client.close()


async def test_a_service_with_a_template_of_its_own_asks_in_it() -> None:
    double = roomy()
    own = partial(
        refiner.registration, settings=RefinerSettings(), constitution=C, template=template()
    )
    async with running(double, own) as target:
        client = RefinerClient(target)
        await client.refine_prompt(item("Why?"), 10)
        await client.refine_prompt(item("Why?"), 10, layout=RunLayout(None))
        await client.close()
    asked = [request["inputs"] for request in double.requests]
    expected = [make_layout(C, one).verbose_prompt("Why?") for one in (template(), None)]
    assert asked[-2:] == expected


async def test_one_prompt_of_a_persons_client() -> None:
    async with aligning(roomy()) as client:
        row = await client.align_prompt(PromptItem(prompt_id="", instruction="Why tides?"), 10)
        with pytest.raises(SelfAlignError, match="instruction: is empty"):
            await client.align_prompt(PromptItem(prompt_id="", instruction=" "), 10)
    assert (row.prompt_id, row.rules) == (prompt_id("Why tides?"), (2,))


async def test_leaving_a_stream_frees_the_engine() -> None:
    double = roomy(delay_s=30)
    async with aligning(double) as client:
        stream = client.align_prompts(_stream())
        first = asyncio.ensure_future(anext(stream))
        while double.running < 20:
            await asyncio.sleep(0.02)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await stream.aclose()
        async with asyncio.timeout(10):
            while double.running:
                await asyncio.sleep(0.02)


async def test_constitutions_are_shown_and_checked() -> None:
    built_in = resources.files("selfalign.constitution") / "constitution.yaml"
    text = built_in.read_text("utf-8")
    async with aligning(roomy()) as client:
        shown = await client.get_constitution()
        assert (shown.digest, shown.prefix) == (digest(C), render_prefix(C))
        assert [one.id for one in shown.principles] == list(range(1, 17))
        assert await client.lint_constitution() == []
        weak = await client.lint_constitution(text.replace("[6, 14]", "[6]"))
        assert [(f.severity, f.place) for f in weak] == [("warning", "principles[13]")]
        bad = await client.lint_constitution(text.replace("[6, 14]", "[6, 99]"))
        assert [f.severity for f in bad] == ["error"]
        assert "exemplars[2].turns[0].rules: 99" in bad[0].message


async def test_a_constitution_that_is_dear_to_check_holds_nobody_up() -> None:
    """Quarter of a megabyte of mistakes, while the service goes on answering others."""
    text = "principles: [" + "a," * 19_000 + "]\n#" + "x" * 200_000
    async with aligning(roomy()) as client:
        dear = [asyncio.ensure_future(client.lint_constitution(text)) for _ in range(4)]
        await asyncio.sleep(0)
        answered = 0
        while not all(one.done() for one in dear):
            await client.get_constitution()
            answered += 1
        findings = [finding for one in dear for finding in await one]
        assert [len(one.message) < 10_000 for one in findings] == [True] * 4
        assert answered > 3, "nobody else was answered in between"
        long = await client.lint_constitution("#" * 300_000)
        assert "expected at most 262144" in long[0].message


async def test_a_context_that_is_too_small_is_refused_at_start() -> None:
    double = EngineDouble()
    double.info |= {"max_input_tokens": 99, "max_total_tokens": 100}
    with pytest.raises(PromptTooLong, match="constitution"):
        async with running(double, align_with(PrincipleEngineSettings())):
            pass


async def test_an_engine_that_is_down_leaves_the_service_up_but_not_ready() -> None:
    async with _engine("http://127.0.0.1:9") as engine:
        registration = await principle_engine.registration(engine, PrincipleEngineSettings(), C)
        assert registration.check is not None
        with pytest.raises(EngineError):
            await registration.check()


@asynccontextmanager
async def _client(target: ChannelSettings) -> AsyncIterator[PrincipleEngineClient]:
    client = PrincipleEngineClient(target)
    try:
        yield client
    finally:
        await client.close()


async def _stream() -> AsyncIterator[PromptItem]:
    for one in ITEMS:
        yield one
