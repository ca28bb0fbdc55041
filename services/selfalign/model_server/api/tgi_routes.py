"""TGI's native routes, and what the server says of itself."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict, dataclass

from aiohttp import web

from selfalign.model_server.api.chat_template import ChatTemplate
from selfalign.model_server.api.event_stream import send_events, sse
from selfalign.model_server.api.generator import Generator, ServiceError
from selfalign.model_server.api.request_bodies import (
    CompatRequest,
    GenerateParameters,
    GenerateRequest,
    TokenizeRequest,
    read_body,
)
from selfalign.model_server.api.responses import generate_json, stream_json

VERSION = "3.3.7-selfalign"


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What the server says of itself."""

    model_id: str
    payload_limit: int = 2_000_000
    """Bytes of a request's body."""
    chat_template: ChatTemplate | None = None
    """None: the model takes no chats."""


@dataclass(frozen=True, slots=True)
class TgiRoutes:
    """The handlers."""

    generator: Generator
    served: ServedModel

    async def generate(self, request: web.Request) -> web.StreamResponse:
        """POST /generate."""
        body = await read_body(request, GenerateRequest)
        generations = await self.generator.complete(body.inputs, body.parameters)
        answer = generate_json(generations, self.generator.tokenizer)
        return web.json_response(answer, headers=generations[0].headers())

    async def generate_stream(self, request: web.Request) -> web.StreamResponse:
        """POST /generate_stream."""
        body = await read_body(request, GenerateRequest)
        return await send_events(request, body.inputs, self._events(body.inputs, body.parameters))

    async def compat(self, request: web.Request) -> web.StreamResponse:
        """POST /: like the two above, but the prompt is part of the text unless refused."""
        body = await read_body(request, CompatRequest)
        full = body.parameters.return_full_text
        parameters = body.parameters.model_copy(
            update={"return_full_text": True if full is None else full}
        )
        if body.stream:
            return await send_events(request, body.inputs, self._events(body.inputs, parameters))
        generations = await self.generator.complete(body.inputs, parameters)
        answer = generate_json(generations, self.generator.tokenizer)
        return web.json_response([answer], headers=generations[0].headers())

    async def _events(
        self, inputs: str, parameters: GenerateParameters
    ) -> AsyncGenerator[bytes, None]:
        """Tokens as events; an error is an event too, since the status is sent already."""
        received = time.perf_counter()
        try:
            with self.generator.permits():
                valid = self.generator.check(inputs, parameters, streaming=True)
                generation = self.generator.begin(valid, received)
                async with aclosing(self.generator.follow(generation)) as events:
                    async for event in events:
                        yield sse(stream_json(generation, event))
        except ServiceError as error:
            yield sse(error.body())

    async def tokenize(self, request: web.Request) -> web.Response:
        """POST /tokenize."""
        body = await read_body(request, TokenizeRequest)
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
                "ngram_penalties": True,
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
