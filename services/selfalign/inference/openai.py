"""OpenAI-compatible servers (vLLM, SGLang, llama.cpp, TGI) through openai's client."""

import time
from collections.abc import Sequence
from typing import Any

import httpx2
import openai
from openai import AsyncOpenAI
from openai.types import Completion as Answer

from selfalign.errors import EngineError, EngineRejected, EngineUnavailable
from selfalign.inference.engine import Completion, EngineInfo
from selfalign.inference.faults import not_an_answer, status_error
from selfalign.inference.http import Http
from selfalign.inference.retry import Calls
from selfalign.inference.settings import EngineSettings
from selfalign.inference.texts import cut_at_stop, finish_reason, matching_logprob
from selfalign.settings.sampling import SamplingParams
from selfalign.telemetry.metrics import Metrics

INFO_TIMEOUT_S = 10.0


class _Transport(httpx2.AsyncBaseTransport):
    """Our connections, as the client library's HTTP client wants them."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        try:
            answer = await self._http.request(request.method, str(request.url), body or None)
        except EngineUnavailable as error:
            raise httpx2.ConnectError(str(error)) from error
        headers = {"content-type": answer.headers.get("content-type", "")}
        return httpx2.Response(answer.status, headers=headers, content=answer.body)

    async def aclose(self) -> None:
        await self._http.close()


class OpenAIEngine:
    """An Engine that speaks to /v1/completions."""

    def __init__(
        self, settings: EngineSettings, calls: Calls, token: str | None, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._model = str(settings.model)
        self._calls = calls
        self._metrics = metrics
        root = str(settings.url).rstrip("/")
        self._url = root if root.endswith("/v1") else f"{root}/v1"
        http = Http(token, settings.connect_timeout_s, settings.tls_ca)
        # Retries and time limits are ours: the library's know nothing of admission.
        self._client = AsyncOpenAI(
            api_key="unused",
            base_url=self._url,
            max_retries=0,
            timeout=None,
            http_client=httpx2.AsyncClient(transport=_Transport(http), trust_env=False),
        )

    async def generate(
        self, prompt: str, params: SamplingParams, *, seed: int | None, deadline_s: float
    ) -> Completion:
        options = self._options(params, seed)

        async def attempt() -> Completion:
            started = time.perf_counter()
            answer = await self._post(prompt, options)
            return _completion(answer, params, (time.perf_counter() - started) * 1e3)

        completion = await self._calls.run(attempt, deadline_s)
        self._metrics.engine_prompt_tokens.inc(completion.prompt_tokens)
        self._metrics.engine_completion_tokens.inc(completion.completion_tokens)
        return completion

    async def next_token_logprobs(
        self, prompt: str, candidates: Sequence[str], *, deadline_s: float
    ) -> list[float | None]:
        options = {"max_tokens": 1, "temperature": 0.0, "logprobs": self._settings.top_logprobs}
        answer = await self._calls.run(lambda: self._post(prompt, options), deadline_s)
        logprobs = answer.choices[0].logprobs
        top = (logprobs.top_logprobs if logprobs else None) or [{}]
        return [matching_logprob(candidate, top[0]) for candidate in candidates]

    async def count_tokens(self, text: str) -> int | None:
        return None

    async def info(self) -> EngineInfo:
        models = await self._calls.aside(self._models, INFO_TIMEOUT_S)
        for model in models:
            if model.id == self._model:
                # vLLM's word for it; others do not say.
                length = (model.model_extra or {}).get("max_model_len")
                return EngineInfo(self._model, None, length, None)
        return EngineInfo(self._model, None, None, None)

    async def close(self) -> None:
        await self._client.close()

    def _options(self, params: SamplingParams, seed: int | None) -> dict[str, Any]:
        options: dict[str, Any] = {
            "max_tokens": params.max_new_tokens,
            # Always: servers sample when it is left out.
            "temperature": params.temperature,
        }
        if params.temperature > 0:
            if params.top_p < 1:
                options["top_p"] = params.top_p
            if seed is not None:
                options["seed"] = seed
        if params.stop:
            options["stop"] = list(params.stop[: self._settings.max_stop_sequences])
        extra: dict[str, Any] = {}
        if params.temperature > 0 and params.top_k > 0:
            extra["top_k"] = params.top_k
        if params.repetition_penalty != 1:
            extra["repetition_penalty"] = params.repetition_penalty
        if extra:
            options["extra_body"] = extra
        return options

    async def _post(self, prompt: str, options: dict[str, Any]) -> Answer:
        """One request; its failure as one of our errors."""
        url = f"{self._url}/completions"
        try:
            answer: Any = await self._client.completions.create(
                model=self._model, prompt=prompt, **options
            )
        except openai.OpenAIError as error:
            raise _error(url, error) from error
        except UnicodeEncodeError as error:
            raise EngineRejected(f"the prompt cannot be sent as UTF-8: {error}") from error
        except ValueError as error:
            raise not_an_answer(url, str(error)) from error
        # The library checks neither content type nor fields of a 200.
        if not isinstance(answer, Answer) or not answer.choices or answer.choices[0].text is None:
            raise not_an_answer(url, str(answer))
        return answer

    async def _models(self) -> list[openai.types.Model]:
        url = f"{self._url}/models"
        try:
            page = await self._client.models.list()
        except openai.OpenAIError as error:
            raise _error(url, error) from error
        except ValueError as error:
            raise not_an_answer(url, str(error)) from error
        return list(page.data or [])


def _error(url: str, error: openai.OpenAIError) -> EngineError:
    if isinstance(error, openai.APIStatusError):
        return status_error(url, error.status_code, error.response.text)
    if isinstance(error, openai.APIResponseValidationError):
        return not_an_answer(url, str(error))
    if isinstance(error, openai.APIConnectionError):
        return EngineUnavailable(str(error.__cause__ or error))
    return EngineError(f"{url}: {error}")


def _completion(answer: Answer, params: SamplingParams, latency_ms: float) -> Completion:
    choice = answer.choices[0]
    usage = answer.usage
    text, cut = cut_at_stop(choice.text, params.stop)
    # vLLM says which stop sequence ended it (null: end of sequence); others leave us to guess.
    extra = choice.model_extra or {}
    stopped = isinstance(extra["stop_reason"], str) if "stop_reason" in extra else bool(params.stop)
    tokens = usage.completion_tokens if usage else 0
    return Completion(
        text=text,
        finish_reason=finish_reason(
            choice.finish_reason,
            cut=cut,
            tokens=tokens,
            max_new_tokens=params.max_new_tokens,
            stop_reported=stopped,
        ),
        prompt_tokens=usage.prompt_tokens if usage else 0,
        completion_tokens=tokens,
        latency_ms=latency_ms,
    )
