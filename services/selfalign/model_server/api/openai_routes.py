"""/v1/models and /v1/completions, OpenAI's completion API."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from aiohttp import web

from selfalign.model_server.api.event_stream import open_stream, sse
from selfalign.model_server.api.generation import Generation
from selfalign.model_server.api.generator import Generator, ServiceError
from selfalign.model_server.api.request_bodies import CompletionRequest, read_body
from selfalign.model_server.api.responses import Json
from selfalign.model_server.api.tgi_routes import VERSION, ServedModel
from selfalign.model_server.batching.token_events import Token


@dataclass(frozen=True, slots=True)
class OpenAiRoutes:
    """The handlers."""

    generator: Generator
    served: ServedModel

    async def models(self, request: web.Request) -> web.Response:
        """GET /v1/models."""
        name = self.served.model_id
        model = {"id": name, "object": "model", "created": 0, "owned_by": name}
        return web.json_response({"object": "list", "data": [model]})

    async def completions(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/completions."""
        body = await read_body(request, CompletionRequest)
        prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
        most = self.generator.limits.max_client_batch_size
        if len(prompts) > most:
            message = f"Number of prompts exceeds the maximum allowed batch size of {most}"
            raise ServiceError(422, message, "batch size exceeded")
        if body.stream:
            return await self._stream(request, body, prompts)
        parameters = body.parameters()
        gathered = await asyncio.gather(
            *(self.generator.complete(prompt, parameters) for prompt in prompts),
            return_exceptions=True,
        )
        generations = []
        for result in gathered:
            if isinstance(result, BaseException):
                raise result
            generations.append(result[0])
        headers = generations[0].headers() if generations else {}
        headers.pop("x-compute-time", None)
        return web.json_response(self._answer(body, generations), headers=headers)

    def _head(self) -> Json:
        return {
            "object": "text_completion",
            "id": "",
            "created": int(time.time()),
            "model": self.served.model_id,
            "system_fingerprint": f"{VERSION}-native",
        }

    def _answer(self, body: CompletionRequest, generations: Sequence[Generation]) -> Json:
        choices = [
            {
                "index": index,
                "text": generation.text,
                "logprobs": _logprobs(body, generation.tokens, generation.tops),
                "finish_reason": finish_reason(generation),
            }
            for index, generation in enumerate(generations)
        ]
        return {**self._head(), "choices": choices, "usage": usage(generations)}

    async def _stream(
        self, request: web.Request, body: CompletionRequest, prompts: Sequence[str]
    ) -> web.StreamResponse:
        """The events of all prompts as they come, mixed; `index` tells them apart."""
        response = await open_stream(request, "".join(prompts))
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()

        async def pump(index: int, prompt: str) -> None:
            async with aclosing(self._events(body, index, prompt)) as events:
                async for event in events:
                    queue.put_nowait(event)
            queue.put_nowait(None)

        async with asyncio.TaskGroup() as group:
            for index, prompt in enumerate(prompts):
                group.create_task(pump(index, prompt))
            remaining = len(prompts)
            while remaining:
                event = await queue.get()
                if event is None:
                    remaining -= 1
                else:
                    await response.write(event)
        await response.write(sse("[DONE]"))
        await response.write_eof()
        return response

    async def _events(
        self, body: CompletionRequest, index: int, prompt: str
    ) -> AsyncGenerator[bytes, None]:
        received = time.perf_counter()
        try:
            with self.generator.permits():
                valid = self.generator.check(prompt, body.parameters(), streaming=True)
                generation = self.generator.begin(valid, received)
                async with aclosing(self.generator.follow(generation)) as events:
                    async for event in events:
                        choice = {
                            "index": index,
                            "text": "" if event.token.special else event.token.text,
                            "logprobs": _logprobs(body, [event.token], [event.top]),
                            "finish_reason": event.finish_reason or "",
                        }
                        chunk = {**self._head(), "choices": [choice]}
                        if event.finish_reason is not None:
                            chunk["usage"] = usage([generation])
                        yield sse(chunk)
        except ServiceError as error:
            yield sse({"error": {"message": error.message, "http_status_code": 422}})


def finish_reason(generation: Generation) -> str:
    """OpenAI's word for why a generation ended."""
    return "length" if generation.finish_reason == "length" else "stop"


def _logprobs(
    body: CompletionRequest, tokens: Sequence[Token], tops: Sequence[tuple[Token, ...]]
) -> Json | None:
    if body.logprobs is None:
        return None
    offsets, at = [], 0
    for token in tokens:
        offsets.append(at)
        at += len(token.text)
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [{token.text: token.logprob for token in reversed(top)} for top in tops],
        "text_offset": offsets,
    }


def usage(generations: Sequence[Generation]) -> dict[str, int]:
    """Tokens that were read and written."""
    prompt = sum(len(generation.valid.prompt.tokens) for generation in generations)
    completion = sum(len(generation.tokens) for generation in generations)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
