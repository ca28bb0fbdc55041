"""/v1/models and /v1/completions, OpenAI's completion API."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from selfalign.model_server.generation import Generation, ServiceError
from selfalign.model_server.requests import Token
from selfalign.model_server.responses import sse
from selfalign.model_server.schemas import CompletionRequest, GenerateParameters
from selfalign.model_server.server import VERSION, Api, start_stream


@dataclass(slots=True)
class CompletionsApi:
    """The two routes."""

    api: Api

    async def models(self, request: web.Request) -> web.Response:
        """GET /v1/models."""
        name = self.api.served.model_id
        model = {"id": name, "object": "model", "created": 0, "owned_by": name}
        return web.json_response({"object": "list", "data": [model]})

    async def completions(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/completions."""
        body = await self.api.read(request, CompletionRequest)
        prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
        most = self.api.generator.limits.max_client_batch_size
        if len(prompts) > most:
            message = f"Number of prompts exceeds the maximum allowed batch size of {most}"
            raise ServiceError(422, message, "batch size exceeded")
        if body.stream:
            return await self._stream(request, body, prompts)
        parameters = generate_parameters(body)
        gathered = await asyncio.gather(
            *(self.api.complete(prompt, parameters) for prompt in prompts), return_exceptions=True
        )
        generations = []
        for result in gathered:
            if isinstance(result, BaseException):
                raise result
            generations.append(result[0])
        headers = generations[0].headers() if generations else {}
        headers.pop("x-compute-time", None)
        return web.json_response(self._answer(body, generations), headers=headers)

    def _head(self) -> dict[str, Any]:
        return {
            "object": "text_completion",
            "id": "",
            "created": int(time.time()),
            "model": self.api.served.model_id,
            "system_fingerprint": f"{VERSION}-native",
        }

    def _answer(self, body: CompletionRequest, generations: Sequence[Generation]) -> dict[str, Any]:
        choices = [
            {
                "index": index,
                "text": generation.text,
                "logprobs": _logprobs(body, generation.tokens, generation.tops),
                "finish_reason": _finish_reason(generation),
            }
            for index, generation in enumerate(generations)
        ]
        return {**self._head(), "choices": choices, "usage": _usage(generations)}

    async def _stream(
        self, request: web.Request, body: CompletionRequest, prompts: Sequence[str]
    ) -> web.StreamResponse:
        response = await start_stream(request, "".join(prompts))
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()

        async def pump(index: int, prompt: str) -> None:
            async with aclosing(self._events(body, index, prompt)) as parts:
                async for part in parts:
                    queue.put_nowait(part)
            queue.put_nowait(None)

        async with asyncio.TaskGroup() as group:
            for index, prompt in enumerate(prompts):
                group.create_task(pump(index, prompt))
            remaining = len(prompts)
            while remaining:
                part = await queue.get()
                if part is None:
                    remaining -= 1
                else:
                    await response.write(part)
        await response.write(sse("[DONE]"))
        await response.write_eof()
        return response

    async def _events(
        self, body: CompletionRequest, index: int, prompt: str
    ) -> AsyncGenerator[bytes, None]:
        generator = self.api.generator
        received = time.perf_counter()
        permitted = False
        try:
            generator.acquire()
            permitted = True
            valid = generator.check(prompt, generate_parameters(body), streaming=True)
            generation = generator.begin(valid, valid.prompt, received)
            async with aclosing(generator.follow(generation)) as events:
                async for event in events:
                    choice = {
                        "index": index,
                        "text": "" if event.token.special else event.token.text,
                        "logprobs": _logprobs(body, [event.token], [event.top]),
                        "finish_reason": event.finish_reason or "",
                    }
                    chunk = {**self._head(), "choices": [choice]}
                    if event.finish_reason is not None:
                        chunk["usage"] = _usage([generation])
                    yield sse(chunk)
        except ServiceError as error:
            yield sse({"error": {"message": error.message, "http_status_code": 422}})
        finally:
            if permitted:
                generator.release()


def generate_parameters(body: CompletionRequest) -> GenerateParameters:
    """The native parameters; temperature 0 means greedy decoding, as OpenAI's clients expect."""
    greedy = body.temperature == 0
    stop = [body.stop] if isinstance(body.stop, str) else body.stop
    return GenerateParameters(
        temperature=None if greedy else body.temperature,
        repetition_penalty=body.repetition_penalty,
        frequency_penalty=body.frequency_penalty,
        top_p=None if greedy or body.top_p == 1 else body.top_p,
        do_sample=not greedy,
        max_new_tokens=body.max_tokens,
        stop=stop or [],
        details=True,
        seed=body.seed,
        top_n_tokens=body.logprobs,
    )


def _finish_reason(generation: Generation) -> str:
    return "length" if generation.finish_reason == "length" else "stop"


def _logprobs(
    body: CompletionRequest, tokens: Sequence[Token], tops: Sequence[tuple[Token, ...]]
) -> dict[str, Any] | None:
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


def _usage(generations: Sequence[Generation]) -> dict[str, int]:
    prompt = sum(len(generation.valid.prompt.tokens) for generation in generations)
    completion = sum(len(generation.tokens) for generation in generations)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
