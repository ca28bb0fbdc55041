"""An engine without a model: TGI's and OpenAI's HTTP shapes, scripted answers and faults.

    python -m support.engine_double --port 0 --delay-ms 0 --answer "text"

A fault is taken from `faults` (one for each completion request, until none is left), or named in
the prompt as {{fault:NAME}}. Names: those of engine_faults.py; `slow:SECONDS` delays an answer.
"""

import argparse
import asyncio
import json
import signal
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from support.engine_answers import (
    INFO,
    TOKEN,
    Written,
    count_prompt,
    echoed,
    most_likely,
    openai_body,
    openai_events,
    prompt_tokens,
    tgi_body,
    tgi_events,
    token_number,
)
from support.engine_faults import (
    CUT,
    FAULTS,
    MARK,
    NULL,
    SPLIT,
    begin,
    broken,
    fault_response,
    seconds_of,
    stream_response,
    with_nulls,
)

Answer = str | Callable[[str, dict[str, Any]], str]


@dataclass
class EngineDouble:
    """The server's script, and what it saw."""

    answer: Answer = " Paris is the capital of France."
    delay_s: float = 0.0
    faults: deque[str] = field(default_factory=deque)
    api_key: str | None = None
    max_concurrent: int = 100_000
    adapters: dict[str, Answer] = field(default_factory=dict)
    logprobs: dict[str, float] = field(default_factory=lambda: {" A": -0.5, " B": -1.5})
    scores_prompts: bool = True
    """Gives the log-probabilities of a prompt's tokens."""
    score_route: bool = False
    """Has /score, as our model-server and unlike TGI."""
    instant: bool = False
    """Answer with prepared bytes, whatever is asked: no faults, no parameters."""
    info: dict[str, Any] = field(default_factory=INFO.copy)
    requests: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    dropped: int = 0

    def __post_init__(self) -> None:
        written = Written.of(str(self.answer), {})
        self._prepared = {
            "/generate": json.dumps(tgi_body(written, {})).encode(),
            "/v1/completions": json.dumps(openai_body(written, 1500, [], {})).encode(),
        }

    def app(self) -> web.Application:
        """The routes of both APIs."""
        app = web.Application(client_max_size=2_000_000)
        completions = {"/generate": self._generate, "/v1/completions": self._completions}
        for path, handler in completions.items():
            app.router.add_post(path, self._instant if self.instant else handler)
        app.router.add_post("/", self._generate)
        if self.score_route:
            app.router.add_post("/score", self._score)
        app.router.add_post("/tokenize", self._tokenize)
        app.router.add_get("/info", self._info)
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/models", self._models)
        return app

    async def _instant(self, request: web.Request) -> web.Response:
        await request.read()
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        headers = {"x-prompt-tokens": "1500", "x-generated-tokens": "300"}
        return web.Response(
            body=self._prepared[request.path], content_type="application/json", headers=headers
        )

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        parameters = body.get("parameters") or {}
        return await self._answer(request, body, body["inputs"], parameters, self._tgi_response)

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        parameters = {
            "max_new_tokens": body.get("max_tokens", 16),
            "stop": body.get("stop") or [],
            "logprobs": body.get("logprobs"),
            "echo": body.get("echo"),
        }
        return await self._answer(request, body, body["prompt"], parameters, self._openai_response)

    async def _answer(
        self,
        request: web.Request,
        body: dict[str, Any],
        prompt: str,
        parameters: dict[str, Any],
        render: Callable[[Written, str, dict[str, Any]], web.Response],
    ) -> web.StreamResponse:
        self.requests.append(body)
        self.times.append(time.monotonic())
        self.authorizations.append(request.headers.get("authorization"))
        if self.api_key and request.headers.get("authorization") != f"Bearer {self.api_key}":
            return web.Response(status=401)
        if self.running >= self.max_concurrent:
            return fault_response("429")
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            fault = self._fault(prompt)
            if fault in FAULTS:
                return fault_response(fault)
            if fault == CUT:
                begun = await begin(request, b'{"generated_text": "half', "application/json")
                return broken(request, begun)
            await asyncio.sleep(seconds_of(fault, self.delay_s))
            written = Written.of(self._text(prompt, parameters), parameters)
            if body.get("stream"):
                events = openai_events if request.path.startswith("/v1") else tgi_events
                return await stream_response(request, events(written), fault)
            if fault == SPLIT:
                written = written.ending_in_half_a_character()
            response = render(written, prompt, parameters)
            return with_nulls(response) if fault == NULL else response
        except asyncio.CancelledError:
            self.dropped += 1
            raise
        finally:
            self.running -= 1

    def _fault(self, prompt: str) -> str:
        marked = MARK.search(prompt)
        if marked:
            return marked.group(1)
        return self.faults.popleft() if self.faults else ""

    def _text(self, prompt: str, parameters: dict[str, Any]) -> str:
        # As TGI does: an adapter that is not loaded is answered by the base model.
        answer = self.adapters.get(parameters.get("adapter_id") or "", self.answer)
        return answer if isinstance(answer, str) else answer(prompt, parameters)

    def _tgi_response(
        self, written: Written, prompt: str, parameters: dict[str, Any]
    ) -> web.Response:
        headers = {
            "x-prompt-tokens": str(count_prompt(prompt)),
            "x-generated-tokens": str(len(written.tokens)),
        }
        top = most_likely(self.logprobs, parameters.get("top_n_tokens") or 0)
        answer = tgi_body(written, top)
        if parameters.get("decoder_input_details") and self.scores_prompts:
            answer["details"]["prefill"] = prompt_tokens(prompt)
        return web.json_response(answer, headers=headers)

    def _openai_response(
        self, written: Written, prompt: str, parameters: dict[str, Any]
    ) -> web.Response:
        top = most_likely(self.logprobs, parameters["logprobs"] or 0)
        body = openai_body(written, count_prompt(prompt), parameters["stop"], top)
        if parameters["echo"] and self.scores_prompts:
            body["choices"][0]["text"] = prompt + written.text
            body["choices"][0]["logprobs"] = echoed(prompt, written)
        return web.json_response(body)

    async def _score(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.requests.append(body)
        found = [TOKEN.findall(text) for text in body["continuations"]]
        scores = [{"logprob": -len("".join(one)) / 4, "tokens": len(one)} for one in found]
        return web.json_response({"scores": scores})

    async def _tokenize(self, request: web.Request) -> web.Response:
        text = (await request.json())["inputs"]
        tokens = [{"id": 1, "text": "", "start": 0, "stop": 0}]
        tokens += [
            {"id": token_number(t), "text": t, "start": 0, "stop": 0} for t in TOKEN.findall(text)
        ]
        return web.json_response(tokens)

    async def _info(self, request: web.Request) -> web.Response:
        return web.json_response(self.info)

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response()

    async def _models(self, request: web.Request) -> web.Response:
        model = {"id": "double", "object": "model", "max_model_len": 2048, "owned_by": "tests"}
        return web.json_response({"object": "list", "data": [model]})


@asynccontextmanager
async def serving(
    double: EngineDouble, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serves the double on this event loop; yields its URL."""
    runner = web.AppRunner(
        double.app(), handler_cancellation=True, access_log=None, shutdown_timeout=0.1
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=2048)
        await site.start()
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _main(double: EngineDouble, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(double, host, port) as url:
        event = {"event": "ready", "address": url.removeprefix("http://")}
        print(json.dumps(event), flush=True)
        await stop.wait()


def main() -> None:
    """The double as a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--answer", default="", help="text of every answer")
    parser.add_argument("--answer-chars", type=int, default=0, help="or its length")
    parser.add_argument("--fault", action="append", default=[], help="NAME or NAMExCOUNT")
    arguments = parser.parse_args()
    faults: deque[str] = deque()
    for fault in arguments.fault:
        name, _, count = fault.partition("x")
        faults += [name] * int(count or 1)
    text = arguments.answer or ("word " * (arguments.answer_chars // 5)) or " Fine."
    double = EngineDouble(
        answer=text, delay_s=arguments.delay_ms / 1e3, faults=faults, instant=not faults
    )
    asyncio.run(_main(double, arguments.host, arguments.port))


if __name__ == "__main__":
    main()
