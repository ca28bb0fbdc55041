"""An engine without a model: TGI's and OpenAI's HTTP shapes, scripted answers and faults.

    python -m support.engine_double --port 0 --delay-ms 0 --answer "text"

A fault is taken from `faults` (one for each completion request, until none is left), or named in
the prompt as {{fault:NAME}}. Names: FAULTS below; `slow:SECONDS` delays an answer.
"""

import argparse
import asyncio
import json
import re
import signal
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from support.engine_streams import openai_events, tgi_events

# name -> (status, body, content type)
FAULTS: dict[str, tuple[int, str, str]] = {
    "429": (429, '{"error":"Model is overloaded","error_type":"overloaded"}', "application/json"),
    "424": (
        424,
        '{"error":"Request failed during generation: Server error: transport error",'
        '"error_type":"generation"}',
        "application/json",
    ),
    "422": (
        422,
        '{"error":"Input validation error: `inputs` must have less than 512 tokens. Given: 600",'
        '"error_type":"validation"}',
        "application/json",
    ),
    "422-text": (422, "Failed to deserialize the JSON body: missing field `inputs`", "text/plain"),
    "400-text": (400, "Failed to parse the request body as JSON", "text/plain"),
    "413": (413, "Failed to buffer the request body: length limit exceeded", "text/plain"),
    "401": (401, "", ""),
    "404": (404, "", ""),
    "500": (500, '{"error":"incomplete","error_type":"incomplete_generation"}', "application/json"),
    "503": (503, "upstream connect error", "text/plain"),
    "error-200": (200, '{"error":"broke","error_type":"generation"}', "application/json"),
    "bad-json": (200, '{"generated_text": "cut of', "application/json"),
    "empty": (200, "", "application/json"),
    "html": (200, "<html>a proxy's page</html>", "text/html"),
    "list": (200, "[1]", "application/json"),
}
HANG, CUT, SPLIT, NULL = "hang", "cut", "split-utf8", "null-fields"
# Of streams: after the first token, the connection breaks, or nothing comes any more.
CUT_STREAM, HANG_STREAM = "cut-stream", "hang-stream"
MARK = re.compile(r"\{\{fault:([^}]+)\}\}")
TOKEN = re.compile(r"\s*\S+|\s+")
EOS = {"id": 2, "text": "</s>", "logprob": -0.1, "special": True}

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
    instant: bool = False
    """Answer with prepared bytes, whatever is asked: no faults, no parameters."""
    info: dict[str, Any] = field(
        default_factory=lambda: {
            "model_id": "double",
            "model_sha": None,
            "max_concurrent_requests": 128,
            "max_best_of": 2,
            "max_stop_sequences": 4,
            "max_input_tokens": 2047,
            "max_total_tokens": 2048,
            "max_client_batch_size": 4,
            "version": "3.3.7",
        }
    )
    requests: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    dropped: int = 0

    def __post_init__(self) -> None:
        self._prepared = json.dumps(self._tgi(Written.of(str(self.answer), {}))).encode()

    def app(self) -> web.Application:
        """The routes of both APIs."""
        app = web.Application(client_max_size=2_000_000)
        if self.instant:
            app.router.add_post("/generate", self._instant)
        else:
            app.router.add_post("/generate", self._generate)
        app.router.add_post("/", self._generate)
        app.router.add_post("/v1/completions", self._completions)
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
        return web.Response(body=self._prepared, content_type="application/json", headers=headers)

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
        }
        return await self._answer(request, body, body["prompt"], parameters, self._openai_response)

    async def _answer(
        self,
        request: web.Request,
        body: dict[str, Any],
        prompt: str,
        parameters: dict[str, Any],
        render: Callable[["Written", str, dict[str, Any]], web.Response],
    ) -> web.StreamResponse:
        self.requests.append(body)
        self.times.append(time.monotonic())
        self.authorizations.append(request.headers.get("authorization"))
        if self.api_key and request.headers.get("authorization") != f"Bearer {self.api_key}":
            return web.Response(status=401)
        if self.running >= self.max_concurrent:
            return _fault_response("429")
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            fault = self._fault(prompt)
            if fault in FAULTS:
                return _fault_response(fault)
            if fault == CUT:
                begun = await _begin(request, b'{"generated_text": "half', "application/json")
                return _broken(request, begun)
            await asyncio.sleep(_seconds(fault, self.delay_s))
            written = Written.of(self._text(prompt, parameters), parameters)
            if body.get("stream"):
                return await _stream(request, written, fault)
            if fault == SPLIT:
                written = written.ending_in_half_a_character()
            response = render(written, prompt, parameters)
            return _with_nulls(response) if fault == NULL else response
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
        self, written: "Written", prompt: str, parameters: dict[str, Any]
    ) -> web.Response:
        headers = {
            "x-prompt-tokens": str(len(TOKEN.findall(prompt)) + 1),
            "x-generated-tokens": str(len(written.tokens)),
        }
        return web.json_response(self._tgi(written, parameters), headers=headers)

    def _tgi(self, written: "Written", parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        details: dict[str, Any] = {
            "finish_reason": written.finish_reason,
            "generated_tokens": len(written.tokens),
            "seed": None,
            "prefill": [],
            "tokens": written.tokens,
        }
        if parameters and parameters.get("top_n_tokens"):
            ranked = self._ranked(parameters["top_n_tokens"])
            details["top_tokens"] = [
                [{"id": n, "text": t, "logprob": p, "special": False} for n, (t, p) in ranked]
            ]
        return {"generated_text": written.text, "details": details}

    def _openai_response(
        self, written: "Written", prompt: str, parameters: dict[str, Any]
    ) -> web.Response:
        text = written.text
        for stop in parameters["stop"]:
            text = text.split(stop)[0]
        logprobs = None
        if parameters["logprobs"]:
            top = {token: logprob for _, (token, logprob) in self._ranked(parameters["logprobs"])}
            logprobs = {
                "tokens": [text],
                "token_logprobs": [-0.5],
                "top_logprobs": [top],
                "text_offset": [0],
            }
        reason = "length" if written.finish_reason == "length" else "stop"
        choice = {"index": 0, "text": text, "finish_reason": reason, "logprobs": logprobs}
        prompt_tokens = len(TOKEN.findall(prompt)) + 1
        usage = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": len(written.tokens),
            "total_tokens": prompt_tokens + len(written.tokens),
        }
        return web.json_response(
            {
                "id": "",
                "object": "text_completion",
                "created": 1,
                "model": "double",
                "choices": [choice],
                "usage": usage,
            }
        )

    def _ranked(self, count: int) -> Iterable[tuple[int, tuple[str, float]]]:
        ranked = sorted(self.logprobs.items(), key=lambda item: -item[1])[:count]
        return enumerate(ranked)

    async def _tokenize(self, request: web.Request) -> web.Response:
        text = (await request.json())["inputs"]
        tokens = [{"id": 1, "text": "", "start": 0, "stop": 0}]
        tokens += [{"id": 3, "text": t, "start": 0, "stop": 0} for t in TOKEN.findall(text)]
        return web.json_response(tokens)

    async def _info(self, request: web.Request) -> web.Response:
        return web.json_response(self.info)

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response()

    async def _models(self, request: web.Request) -> web.Response:
        model = {"id": "double", "object": "model", "max_model_len": 2048, "owned_by": "tests"}
        return web.json_response({"object": "list", "data": [model]})


@dataclass
class Written:
    """A text as its tokens, ended as TGI ends it."""

    text: str
    tokens: list[dict[str, Any]]
    finish_reason: str

    @classmethod
    def of(cls, text: str, parameters: dict[str, Any]) -> "Written":
        """Stops only where the text so far ends with a stop sequence right after a token."""
        stops = parameters.get("stop") or []
        limit = parameters.get("max_new_tokens") or 100_000
        written, tokens = "", list[dict[str, Any]]()
        for number, token in enumerate(TOKEN.findall(text)):
            if number == limit:
                return cls(written, tokens, "length")
            written += token
            tokens.append({"id": 10 + number, "text": token, "logprob": -0.5, "special": False})
            if any(written.endswith(stop) for stop in stops):
                return cls(written, tokens, "stop_sequence")
        if len(tokens) == limit:
            return cls(written, tokens, "length")
        return cls(written, [*tokens, EOS], "eos_token")

    def ending_in_half_a_character(self) -> "Written":
        """The text is lost, its tokens are not; the last token is a part of a character."""
        half = {"id": 178, "text": "", "logprob": -1.0, "special": False}
        tokens = [token for token in self.tokens if not token["special"]]
        return Written("", [*tokens, half], "length")


def _fault_response(name: str) -> web.Response:
    status, body, content_type = FAULTS[name]
    if not content_type:
        return web.Response(status=status)
    return web.Response(status=status, text=body, content_type=content_type)


async def _stream(request: web.Request, written: Written, fault: str) -> web.StreamResponse:
    """All events at once, or what the fault lets through."""
    if request.path.startswith("/v1"):
        reason = "length" if written.finish_reason == "length" else "stop"
        events = openai_events(written.tokens, reason)
    else:
        events = tgi_events(written.tokens, written.text, written.finish_reason)
    if fault not in (CUT_STREAM, HANG_STREAM):
        return web.Response(body=b"".join(events), content_type="text/event-stream")
    begun = await _begin(request, events[0], "text/event-stream")
    if fault == HANG_STREAM:
        await asyncio.sleep(3600.0)
    return _broken(request, begun)


async def _begin(request: web.Request, beginning: bytes, content_type: str) -> web.StreamResponse:
    """The beginning of a body that has more bytes."""
    response = web.StreamResponse(headers={"content-type": content_type})
    response.content_length = len(beginning) + 1000
    await response.prepare(request)
    await response.write(beginning)
    return response


def _broken(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Ends the connection in the middle of the body."""
    assert request.transport is not None
    request.transport.abort()
    return response


def _seconds(fault: str, delay_s: float) -> float:
    if fault == HANG:
        return 3600.0
    if fault.startswith("slow:"):
        return float(fault.removeprefix("slow:"))
    return delay_s


def _with_nulls(response: web.Response) -> web.Response:
    """The same answer with null for every optional field."""
    body = json.loads(response.text or "")
    if "details" in body:
        body["details"].update(prefill=None, tokens=None, seed=None)
    else:
        body["usage"] = None
    return web.json_response(body)


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
