"""TGI through huggingface_hub's AsyncInferenceClient, over our own transport.

Requests go to /generate, not as streams (which report errors with status 200) and not to
/v1/completions (which bypasses the prefix cache, as decoder_input_details does).
"""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import httpx2
from huggingface_hub import AsyncInferenceClient
from huggingface_hub.errors import HfHubHTTPError, TextGenerationError

from selfalign.errors import EngineError, EngineRejected, EngineUnavailable, ModelError
from selfalign.inference.engine import Completion, EngineInfo, SamplingParams
from selfalign.inference.faults import not_an_answer, status_error
from selfalign.inference.retry import Calls
from selfalign.inference.settings import EngineSettings
from selfalign.inference.texts import cut_at_stop, finish_reason, matching_logprob
from selfalign.inference.transport import AiohttpTransport
from selfalign.inference.wire import PROMPT_TOKENS, trimmed
from selfalign.telemetry.metrics import Metrics

# Greedy texts of an adapter that is loaded differ from the base model's on one of these.
CANARIES = ("The", "Question: How are you?\nAnswer:", "1. First,", "User: Hello.\nAssistant:")
CANARY_TOKENS = 32
CANARY_DEADLINE_S = 300.0
INFO_DEADLINE_S = 30.0


class _Client(AsyncInferenceClient):
    """huggingface_hub's client on an HTTP client of ours.

    Its own caps connections at 100 and refuses even loopback addresses with HF_HUB_OFFLINE=1. The
    factory that the library offers for this is one for the whole process.
    """

    def __init__(self, base_url: str, http: httpx2.AsyncClient) -> None:
        # A token, so that the library does not look for the user's on disk for every request; the
        # transport sends the engine's.
        super().__init__(base_url=base_url, token="unused")
        self._http = http

    async def _get_async_client(self) -> httpx2.AsyncClient:
        return self._http


class TgiEngine:
    """An Engine that speaks to TGI or to our model-server."""

    def __init__(
        self, settings: EngineSettings, calls: Calls, token: str | None, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._calls = calls
        self._metrics = metrics
        self._url = str(settings.url).rstrip("/")
        transport = AiohttpTransport(
            token=token,
            connect_timeout_s=settings.connect_timeout_s,
            tls_ca=settings.tls_ca,
            rewrite=trimmed,
        )
        self._http = httpx2.AsyncClient(transport=transport, timeout=None, trust_env=False)
        self._client = _Client(f"{self._url}/generate", self._http)
        self._adapter_checked = settings.adapter_id is None

    async def generate(
        self, prompt: str, params: SamplingParams, *, seed: int | None, deadline_s: float
    ) -> Completion:
        options = self._options(params, seed)

        async def attempt() -> Completion:
            started = time.perf_counter()
            output = await self._post(prompt, options)
            return _completion(output, params, (time.perf_counter() - started) * 1e3)

        completion = await self._calls.run(attempt, deadline_s)
        self._metrics.engine_prompt_tokens.inc(completion.prompt_tokens)
        self._metrics.engine_completion_tokens.inc(completion.completion_tokens)
        return completion

    async def next_token_logprobs(
        self, prompt: str, candidates: Sequence[str], *, deadline_s: float
    ) -> list[float | None]:
        options = {
            "max_new_tokens": 1,
            "top_n_tokens": self._settings.top_logprobs,
            "adapter_id": self._settings.adapter_id,
        }
        output = await self._calls.run(lambda: self._post(prompt, options), deadline_s)
        top = output.details.top_tokens or [[]]
        likely = {token["text"]: float(token["logprob"]) for token in top[0]}
        return [matching_logprob(candidate, likely) for candidate in candidates]

    async def count_tokens(self, text: str) -> int | None:
        tokens = await self._calls.run(
            lambda: self._json("POST", "/tokenize", {"inputs": text}), INFO_DEADLINE_S
        )
        return len(tokens)

    async def info(self) -> EngineInfo:
        answer = await self._calls.run(lambda: self._json("GET", "/info"), INFO_DEADLINE_S)
        if not isinstance(answer, dict):
            raise not_an_answer(f"{self._url}/info", str(answer))
        info = EngineInfo(
            model_id=str(answer.get("model_id", "")),
            max_input_tokens=answer.get("max_input_tokens"),
            max_total_tokens=answer.get("max_total_tokens"),
            max_concurrent_requests=answer.get("max_concurrent_requests"),
        )
        if info.max_concurrent_requests:
            self._calls.admission.set_cap(info.max_concurrent_requests)
        if not self._adapter_checked:
            await self._check_adapter()
            self._adapter_checked = True
        return info

    async def close(self) -> None:
        await self._http.aclose()

    def _options(self, params: SamplingParams, seed: int | None) -> dict[str, Any]:
        """Without what TGI refuses: temperature 0, top_p 1, top_k 0, null for stop."""
        options: dict[str, Any] = {"max_new_tokens": params.max_new_tokens}
        if params.temperature > 0:
            # Without do_sample, temperature 1 alone would be greedy.
            options.update(do_sample=True, temperature=params.temperature)
            if params.top_p < 1:
                options["top_p"] = params.top_p
            if params.top_k > 0:
                options["top_k"] = params.top_k
            if seed is not None:
                options["seed"] = seed
        if params.repetition_penalty != 1:
            options["repetition_penalty"] = params.repetition_penalty
        if params.stop:
            options["stop"] = list(params.stop[: self._settings.max_stop_sequences])
        if self._settings.adapter_id is not None:
            options["adapter_id"] = self._settings.adapter_id
        return options

    async def _post(self, prompt: str, options: dict[str, Any]) -> Any:  # noqa: ANN401 hub's type
        """One request; its failure as one of our errors."""
        url = f"{self._url}/generate"
        try:
            return await self._client.text_generation(prompt, details=True, **options)
        except (HfHubHTTPError, TextGenerationError) as error:
            # The library's typed errors have the response in the error that caused them.
            cause: Any = error if isinstance(error, HfHubHTTPError) else error.__cause__
            response = getattr(cause, "response", None)
            if response is None:
                raise EngineError(f"{url}: {error}") from error
            raise status_error(url, response.status_code, response.text) from error
        except httpx2.DecodingError as error:
            raise EngineError(str(error)) from error
        except httpx2.TransportError as error:
            raise EngineUnavailable(f"{url}: {error}") from error
        except (ValueError, TypeError, LookupError) as error:
            raise not_an_answer(url, str(error)) from error

    async def _json(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:  # noqa: ANN401 JSON
        url = f"{self._url}{path}"
        try:
            response = await self._http.request(method, url, json=body)
        except httpx2.TransportError as error:
            raise EngineUnavailable(f"{url}: {error}") from error
        if response.status_code != 200:
            raise status_error(url, response.status_code, response.text)
        try:
            return response.json()
        except ValueError as error:
            raise not_an_answer(url, response.text) from error

    async def _check_adapter(self) -> None:
        """TGI answers an unknown adapter_id with the base model and says nothing.

        Raises:
            ModelError: the adapter's greedy texts are those of the base model.
        """
        params = SamplingParams(max_new_tokens=CANARY_TOKENS)
        ours = self._options(params, None)
        base = {name: value for name, value in ours.items() if name != "adapter_id"}
        try:
            texts = await asyncio.gather(
                *(
                    self._calls.run(partial(self._post, prompt, options), CANARY_DEADLINE_S)
                    for options in (ours, base)
                    for prompt in CANARIES
                )
            )
        except EngineRejected as error:
            raise ModelError(f"adapter_id: {self._settings.adapter_id!r}: {error}") from error
        written = [output.generated_text for output in texts]
        if written[: len(CANARIES)] == written[len(CANARIES) :]:
            raise ModelError(
                f"adapter_id: {self._settings.adapter_id!r} answers exactly as the base model at "
                f"{self._url}, so it is not loaded there; start TGI with LORA_ADAPTERS naming it"
            )


def _completion(output: Any, params: SamplingParams, latency_ms: float) -> Completion:  # noqa: ANN401
    details = output.details
    text, cut = cut_at_stop(output.generated_text, params.stop)
    return Completion(
        text=text,
        finish_reason=finish_reason(
            details.finish_reason,
            cut=cut,
            tokens=details.generated_tokens,
            max_new_tokens=params.max_new_tokens,
            stop_reported=bool(params.stop),
        ),
        prompt_tokens=details.get(PROMPT_TOKENS, 0),
        completion_tokens=details.generated_tokens,
        latency_ms=latency_ms,
    )
