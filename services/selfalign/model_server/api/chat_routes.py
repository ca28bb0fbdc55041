"""/v1/chat/completions: messages through the model's own chat template, answers as TGI's."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from aiohttp import web

from selfalign.model_server.api.chat_bodies import ChatRequest
from selfalign.model_server.api.chat_template import UnusableTemplate
from selfalign.model_server.api.event_stream import send_events, sse
from selfalign.model_server.api.generation import Generation
from selfalign.model_server.api.generator import Generator, ServiceError
from selfalign.model_server.api.openai_routes import finish_reason, usage
from selfalign.model_server.api.request_bodies import read_body
from selfalign.model_server.api.responses import Json
from selfalign.model_server.api.tgi_routes import VERSION, ServedModel
from selfalign.model_server.batching.token_events import Token, TokenEvent


@dataclass(frozen=True, slots=True)
class ChatRoutes:
    """The handler."""

    generator: Generator
    served: ServedModel

    async def completions(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        body = await read_body(request, ChatRequest)
        if name := body.unsupported():
            message = f"Input validation error: `{name}` is not supported by this server"
            raise ServiceError(422, message, "validation")
        prompt = self._render(body)
        if body.stream:
            return await send_events(request, prompt, self._events(body, prompt))
        (generation,) = await self.generator.complete(prompt, body.parameters(), templated=True)
        answer = self._answer(body, generation)
        return web.json_response(answer, headers=generation.headers())

    def _render(self, body: ChatRequest) -> str:
        template = self.served.chat_template
        if template is None:
            raise ServiceError(422, "Template error: template not found", "template_error")
        messages = [message.plain() for message in body.messages]
        try:
            return template.render(messages)
        except UnusableTemplate as error:
            raise ServiceError(422, f"Template error: {error}", "template_error") from error

    def _head(self, kind: str) -> Json:
        return {
            "object": kind,
            "id": "",
            "created": int(time.time()),
            "model": self.served.model_id,
            "system_fingerprint": f"{VERSION}-native",
        }

    def _answer(self, body: ChatRequest, generation: Generation) -> Json:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": generation.text},
            "logprobs": _logprobs(body, list(zip(generation.tokens, generation.tops, strict=True))),
            "finish_reason": finish_reason(generation),
        }
        head = self._head("chat.completion")
        return {**head, "choices": [choice], "usage": usage([generation])}

    async def _events(self, body: ChatRequest, prompt: str) -> AsyncGenerator[bytes, None]:
        """Tokens as chunks; an error is an event too, since the status is sent already."""
        received = time.perf_counter()
        head = self._head("chat.completion.chunk")
        try:
            with self.generator.permits():
                valid = self.generator.check(
                    prompt, body.parameters(), streaming=True, templated=True
                )
                generation = self.generator.begin(valid, received)
                async with aclosing(self.generator.follow(generation)) as events:
                    async for event in events:
                        text = "" if event.token.special else event.token.text
                        choice = {
                            "index": 0,
                            "delta": {"role": "assistant", "content": text},
                            "logprobs": _logprobs(body, [(event.token, event.top)]),
                            "finish_reason": finish_reason(generation)
                            if event.finish_reason
                            else None,
                        }
                        yield sse({**head, "choices": [choice], "usage": None})
                if body.stream_options is not None and body.stream_options.include_usage:
                    yield sse({**head, "choices": [], "usage": usage([generation])})
                yield sse("[DONE]")
        except ServiceError as error:
            yield sse({"error": {"message": error.message, "http_status_code": error.status}})


def _chunk(body: ChatRequest, generation: Generation, event: TokenEvent) -> Json:
    return {
        "index": 0,
        "delta": {
            "role": "assistant",
            "content": "" if event.token.special else event.token.text,
        },
        "logprobs": _logprobs(body, [(event.token, event.top)]),
        "finish_reason": None if event.finish_reason is None else finish_reason(generation),
    }


def _logprobs(body: ChatRequest, tokens: list[tuple[Token, tuple[Token, ...]]]) -> Json | None:
    if not body.logprobs:
        return None
    return {
        "content": [
            {**_entry(token), "top_logprobs": [_entry(other) for other in top]}
            for token, top in tokens
        ]
    }


def _entry(token: Token) -> Json:
    return {"token": token.text, "logprob": token.logprob}
