"""The HTTP application: TGI's native routes."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from typing import TypeVar

from aiohttp import web

from selfalign.model_server.gate import CORS
from selfalign.model_server.generation import Generation, Generator, ServiceError
from selfalign.model_server.responses import generate_json, sse, stream_json
from selfalign.model_server.schemas import (
    Body,
    BodyError,
    CompatRequest,
    GenerateParameters,
    GenerateRequest,
    TokenizeRequest,
    parse_body,
)

BodyT = TypeVar("BodyT", bound=Body)
VERSION = "3.3.7-selfalign"


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What the server says of itself."""

    model_id: str
    payload_limit: int = 2_000_000


@dataclass(slots=True)
class Api:
    """The routes' shared state."""

    generator: Generator
    served: ServedModel

    async def read(self, request: web.Request, kind: type[BodyT]) -> BodyT:
        """Reads a JSON body.

        Raises:
            BodyError: 400, 413, 415 or 422, as TGI's framework answers.
        """
        if request.content_type != "application/json":
            raise BodyError(415, "Expected request with `Content-Type: application/json`")
        try:
            data = await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            message = "Failed to buffer the request body: length limit exceeded"
            raise BodyError(413, message) from error
        try:
            value = json.loads(data)
            if b"\\ud" in data.lower():
                # Python lets half of a surrogate pair through, which no tokenizer can take.
                json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            message = f"Failed to parse the request body as JSON: {error}"
            raise BodyError(400, message) from error
        return parse_body(kind, value)

    async def generate(self, request: web.Request) -> web.StreamResponse:
        """POST /generate."""
        body = await self.read(request, GenerateRequest)
        generations = await self.complete(body.inputs, body.parameters)
        answer = generate_json(generations, self.generator.tokenizer)
        return web.json_response(answer, headers=generations[0].headers())

    async def generate_stream(self, request: web.Request) -> web.StreamResponse:
        """POST /generate_stream."""
        body = await self.read(request, GenerateRequest)
        return await self.stream(request, body.inputs, body.parameters)

    async def compat(self, request: web.Request) -> web.StreamResponse:
        """POST /: like the two above, but the prompt is part of the text unless refused."""
        body = await self.read(request, CompatRequest)
        full = body.parameters.return_full_text
        parameters = body.parameters.model_copy(
            update={"return_full_text": True if full is None else full}
        )
        if body.stream:
            return await self.stream(request, body.inputs, parameters)
        generations = await self.complete(body.inputs, parameters)
        answer = generate_json(generations, self.generator.tokenizer)
        return web.json_response([answer], headers=generations[0].headers())

    async def complete(self, inputs: str, parameters: GenerateParameters) -> list[Generation]:
        """Runs a request, best_of times, to its end; the likeliest generation first.

        Raises:
            ServiceError: overloaded, invalid or failed.
        """
        received = time.perf_counter()
        permits = min(max(parameters.best_of or 1, 1), self.generator.limits.max_best_of)
        self.generator.acquire(permits)
        try:
            valid = self.generator.check(inputs, parameters)
            prompts = [valid.prompt]
            for number in range(1, valid.best_of):
                sampling = valid.prompt.sampling
                seed = (sampling.seed + number) % 2**64
                prompts.append(replace(valid.prompt, sampling=replace(sampling, seed=seed)))
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(
                        self._run(
                            self.generator.begin(replace(valid, prompt=prompt), prompt, received)
                        )
                    )
                    for prompt in prompts
                ]
        except* ServiceError as errors:
            found: BaseException = errors
            while isinstance(found, BaseExceptionGroup):
                found = found.exceptions[0]
            raise found from None
        finally:
            self.generator.release(permits)
        return sorted((task.result() for task in tasks), key=_mean_logprob, reverse=True)

    async def _run(self, generation: Generation) -> Generation:
        async with aclosing(self.generator.follow(generation)) as events:
            async for _ in events:
                continue
        return generation

    async def stream(
        self, request: web.Request, inputs: str, parameters: GenerateParameters
    ) -> web.StreamResponse:
        """Answers with server-sent events; errors are events too."""
        response = await start_stream(request, inputs)
        async with aclosing(self._events(inputs, parameters)) as parts:
            async for part in parts:
                await response.write(part)
        await response.write_eof()
        return response

    async def _events(
        self, inputs: str, parameters: GenerateParameters
    ) -> AsyncGenerator[bytes, None]:
        received = time.perf_counter()
        try:
            self.generator.acquire()
        except ServiceError as error:
            yield sse(error.body())
            return
        try:
            valid = self.generator.check(inputs, parameters, streaming=True)
            generation = self.generator.begin(valid, valid.prompt, received)
            async with aclosing(self.generator.follow(generation)) as events:
                async for event in events:
                    yield sse(stream_json(generation, event))
        except ServiceError as error:
            yield sse(error.body())
        finally:
            self.generator.release()

    async def tokenize(self, request: web.Request) -> web.Response:
        """POST /tokenize."""
        body = await self.read(request, TokenizeRequest)
        return web.json_response([asdict(s) for s in self.generator.tokenizer.spans(body.inputs)])

    async def info(self, request: web.Request) -> web.Response:
        """GET /info."""
        limits = self.generator.limits
        return web.json_response(
            {
                "model_id": self.served.model_id,
                "model_sha": None,
                "model_pipeline_tag": None,
                "max_concurrent_requests": limits.max_concurrent_requests,
                "max_best_of": limits.max_best_of,
                "max_stop_sequences": limits.max_stop_sequences,
                "max_input_tokens": limits.max_input_tokens,
                "max_total_tokens": limits.max_total_tokens,
                "validation_workers": 1,
                "max_client_batch_size": limits.max_client_batch_size,
                "router": "selfalign-model-server",
                "version": VERSION,
                "sha": None,
                "docker_label": None,
            }
        )

    async def health(self, request: web.Request) -> web.Response:
        """GET /health, /ping and /."""
        if not self.generator.engine.healthy:
            raise ServiceError(503, "unhealthy", "healthcheck")
        return web.Response()

    async def metrics(self, request: web.Request) -> web.Response:
        """GET /metrics."""
        engine, limits = self.generator.engine, self.generator.limits
        text = self.generator.metrics.render(
            {
                "tgi_queue_size": lambda: engine.waiting,
                "tgi_batch_current_size": lambda: engine.running,
                "tgi_batch_current_max_tokens": lambda: engine.reserved_tokens,
                "tgi_batch_max_total_tokens": lambda: engine.slots * limits.max_total_tokens,
            }
        )
        return web.Response(text=text)


def _mean_logprob(generation: Generation) -> float:
    logprobs = [token.logprob or 0.0 for token in generation.tokens]
    return sum(logprobs) / max(len(logprobs), 1)


async def start_stream(request: web.Request, inputs: str) -> web.StreamResponse:
    """Sends the headers of an event stream."""
    headers = {
        "content-type": "text/event-stream",
        "cache-control": "no-cache",
        "x-compute-type": "cpu",
        "x-compute-characters": str(len(inputs)),
        "x-accel-buffering": "no",
        **CORS,
    }
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    return response
