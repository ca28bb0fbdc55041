"""OpenAI's completion API, as vLLM, SGLang, llama.cpp and TGI speak it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, TypedDict

from pydantic import BaseModel, Field

from selfalign.inference.contract.engine import ContinuationScore, EngineInfo, FinishReason
from selfalign.inference.dialects.dialect import ApiCall, Generated, Target
from selfalign.inference.dialects.json_answer import TokenCount, parse
from selfalign.inference.dialects.prompt_scores import read_echo
from selfalign.inference.http.http_errors import unknown_end
from selfalign.inference.http.http_messages import HttpRequest, HttpResponse
from selfalign.settings.sampling import SamplingParams


class OpenAIParameters(TypedDict, total=False):
    """Of a request, by the names of OpenAI's API."""

    max_tokens: int
    temperature: float
    top_p: float
    seed: int
    stop: list[str]


class ExtraParameters(TypedDict, total=False):
    """What OpenAI's API lacks and the compatible servers add."""

    top_k: int
    repetition_penalty: float


def sampling_parameters(
    target: Target, params: SamplingParams, seed: int | None
) -> OpenAIParameters:
    """The temperature is always sent: servers sample when it is left out."""
    parameters: OpenAIParameters = {
        "max_tokens": params.max_new_tokens,
        "temperature": params.temperature,
    }
    if params.temperature > 0:
        if params.top_p < 1:
            parameters["top_p"] = params.top_p
        if seed is not None:
            parameters["seed"] = seed
    if params.stop:
        parameters["stop"] = list(params.stop[: target.max_stop_sequences])
    return parameters


def extra_parameters(params: SamplingParams) -> ExtraParameters:
    """Only what differs from the default: a server may refuse fields that it does not know."""
    parameters: ExtraParameters = {}
    if params.temperature > 0 and params.top_k > 0:
        parameters["top_k"] = params.top_k
    if params.repetition_penalty != 1:
        parameters["repetition_penalty"] = params.repetition_penalty
    return parameters


def api_root(target: Target) -> str:
    """The address with `/v1`, which `engine.url` may end with or not."""
    return target.url if target.url.endswith("/v1") else f"{target.url}/v1"


class OpenAIDialect:
    """/v1/completions and /v1/models."""

    needs_model: ClassVar[bool] = True
    takes_adapter: ClassVar[bool] = False

    def __init__(self, target: Target) -> None:
        self._target = target
        self._model = str(target.model)
        self._root = api_root(target)

    def generate(self, prompt: str, params: SamplingParams, seed: int | None) -> ApiCall[Generated]:
        parameters = {
            **sampling_parameters(self._target, params, seed),
            **extra_parameters(params),
        }
        return ApiCall(
            self._completion_request(prompt, parameters),
            lambda response: _read_generated(response, has_stops=bool(params.stop)),
        )

    def next_token_logprobs(self, prompt: str, top: int) -> ApiCall[Mapping[str, float]]:
        parameters = {"max_tokens": 1, "temperature": 0.0, "logprobs": top}
        return ApiCall(self._completion_request(prompt, parameters), _read_top_logprobs)

    def score_all(self, prompt: str, continuations: Sequence[str]) -> None:
        return None

    def score(
        self, prompt: str, continuation: str, prompt_ids: Sequence[int] | None
    ) -> ApiCall[ContinuationScore]:
        text = prompt + continuation
        # One token, not none: some servers refuse none, and what it is plays no part.
        parameters = {"max_tokens": 1, "temperature": 0.0, "logprobs": 1, "echo": True}
        return ApiCall(
            self._completion_request(text, parameters),
            lambda response: read_echo(response, len(prompt), len(text)),
        )

    def token_ids(self, text: str) -> None:
        return None

    def count_tokens(self, text: str) -> None:
        return None

    def info(self) -> ApiCall[EngineInfo]:
        request = HttpRequest("GET", f"{self._root}/models")
        return ApiCall(request, lambda response: _read_info(response, self._model))

    def _completion_request(self, prompt: str, parameters: Mapping[str, object]) -> HttpRequest:
        body = {"model": self._model, "prompt": prompt, **parameters}
        return HttpRequest("POST", f"{self._root}/completions", body)


class _Choice(BaseModel):
    text: str
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    """vLLM's: the stop sequence or token that ended it, null for the end of the sequence."""


class _Usage(BaseModel):
    prompt_tokens: TokenCount | None = None
    completion_tokens: TokenCount | None = None


class _Answer(BaseModel):
    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage | None = None


class _LogProbs(BaseModel):
    top_logprobs: list[dict[str, float] | None] | None = None


class _ScoredChoice(BaseModel):
    logprobs: _LogProbs | None = None


class _ScoredAnswer(BaseModel):
    choices: Annotated[list[_ScoredChoice], Field(min_length=1)]


class _Model(BaseModel):
    id: str
    max_model_len: int | None = None
    """vLLM's word for the length of a context; others do not say."""


class _Models(BaseModel):
    data: list[_Model] | None = None


def _read_generated(response: HttpResponse, *, has_stops: bool) -> Generated:
    """The first choice; `has_stops` says whether the request named stop sequences."""
    answer = parse(response, _Answer)
    choice = answer.choices[0]
    usage = answer.usage or _Usage()
    # Only vLLM says whether a stop sequence ended it; elsewhere one may have if there were any.
    stopped = has_stops
    if "stop_reason" in choice.model_fields_set:
        stopped = isinstance(choice.stop_reason, str)
    return Generated(
        text=choice.text,
        finish_reason=_reason(response, choice.finish_reason, stopped=stopped),
        prompt_tokens=usage.prompt_tokens or 0,
        completion_tokens=usage.completion_tokens or 0,
    )


def _reason(response: HttpResponse, reported: str | None, *, stopped: bool) -> FinishReason | None:
    """OpenAI's "stop" is either: the end of the sequence, or a stop sequence. TGI says which."""
    match reported:
        case None | "":
            return None
        case "length":
            return "length"
        case "stop_sequence":
            return "stop_sequence"
        case "stop":
            return "stop_sequence" if stopped else "eos_token"
        case "eos_token":
            return "eos_token"
        case _:
            raise unknown_end(response, reported)


def _read_top_logprobs(response: HttpResponse) -> Mapping[str, float]:
    answer = parse(response, _ScoredAnswer)
    logprobs = answer.choices[0].logprobs
    top = logprobs.top_logprobs if logprobs else None
    return (top[0] if top else None) or {}


def _read_info(response: HttpResponse, name: str) -> EngineInfo:
    """What the server lists under `name`; a name that it does not list tells nothing."""
    models = parse(response, _Models).data or []
    length = next((model.max_model_len for model in models if model.id == name), None)
    return EngineInfo(name, None, length, None)
