"""TGI through huggingface_hub's AsyncInferenceClient, over connections of our own.

Requests go to /generate, not as streams (which report errors with status 200) and not to
/v1/completions (which bypasses the prefix cache, as decoder_input_details does).
"""

import asyncio
import json
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from huggingface_hub import AsyncInferenceClient
from huggingface_hub.inference._common import RequestParameters

from selfalign.errors import EngineRejected, ModelError
from selfalign.inference.engine import Completion, EngineInfo
from selfalign.inference.faults import not_an_answer, status_error
from selfalign.inference.http import Http
from selfalign.inference.retry import Calls
from selfalign.inference.settings import EngineSettings
from selfalign.inference.texts import cut_at_stop, finish_reason, matching_logprob
from selfalign.inference.wire import PROMPT_TOKENS, trimmed
from selfalign.settings.sampling import SamplingParams
from selfalign.telemetry.metrics import Metrics

# Greedy texts of an adapter that is loaded differ from the base model's on one of these.
CANARIES = ("The", "Question: How are you?\nAnswer:", "1. First,", "User: Hello.\nAssistant:")
CANARY_TOKENS = 32
CANARY_DEADLINE_S = 300.0
INFO_TIMEOUT_S = 10.0


class _Client(AsyncInferenceClient):
    """huggingface_hub's client, over connections of ours.

    Its own ones are capped at 100, refuse even loopback addresses with HF_HUB_OFFLINE=1, and cost
    0.2 ms of CPU a request more; and what it does not see it need not parse.
    """

    def __init__(self, base_url: str, http: Http) -> None:
        # A token, so that the library does not look for the user's on disk for every request; Http
        # sends the engine's.
        super().__init__(base_url=base_url, token="unused")
        self._http = http

    async def _inner_post(  # type: ignore[override]  # streams are not used
        self, request_parameters: RequestParameters, *, stream: bool = False
    ) -> bytes:
        url = request_parameters.url
        body = json.dumps(request_parameters.json, ensure_ascii=False, separators=(",", ":"))
        answer = await self._http.request("POST", url, body.encode())
        if answer.status != 200:
            raise status_error(url, answer.status, answer.text)
        return trimmed(url, answer)


class TgiEngine:
    """An Engine that speaks to TGI or to our model-server."""

    def __init__(
        self, settings: EngineSettings, calls: Calls, token: str | None, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._calls = calls
        self._metrics = metrics
        self._url = str(settings.url).rstrip("/")
        self._http = Http(token, settings.connect_timeout_s, settings.tls_ca)
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
        tokens = await self._calls.aside(
            lambda: self._json("POST", "/tokenize", {"inputs": text}), INFO_TIMEOUT_S
        )
        return len(tokens)

    async def info(self) -> EngineInfo:
        answer = await self._calls.aside(lambda: self._json("GET", "/info"), INFO_TIMEOUT_S)
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
        await self._http.close()

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
        try:
            return await self._client.text_generation(prompt, details=True, **options)
        except UnicodeEncodeError as error:
            raise EngineRejected(f"the prompt cannot be sent as UTF-8: {error}") from error

    async def _json(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:  # noqa: ANN401 JSON
        url = f"{self._url}{path}"
        data = json.dumps(body).encode() if body is not None else None
        answer = await self._http.request(method, url, data)
        if answer.status != 200:
            raise status_error(url, answer.status, answer.text)
        try:
            return json.loads(answer.body)
        except ValueError as error:
            raise not_an_answer(url, answer.text) from error

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
