"""TGI's own API, which our model-server speaks too.

Completions are asked of /generate: streams report errors with status 200, and /v1/completions
bypasses the prefix cache (as decoder_input_details does).
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, TypedDict, get_args

from pydantic import BaseModel, JsonValue, RootModel

from selfalign.inference.contract.engine import ContinuationScore, EngineInfo, FinishReason
from selfalign.inference.dialects.dialect import ApiCall, Generated, Target
from selfalign.inference.dialects.json_answer import TokenCount, parse
from selfalign.inference.dialects.prompt_scores import read_prefill, read_scores
from selfalign.inference.http.http_errors import unknown_end
from selfalign.inference.http.http_messages import HttpRequest, HttpResponse
from selfalign.settings.sampling import SamplingParams


class TgiParameters(TypedDict, total=False):
    """`parameters` of a request, by the names that huggingface_hub's client gives them too."""

    max_new_tokens: int
    do_sample: bool
    temperature: float
    top_p: float
    top_k: int
    seed: int
    repetition_penalty: float
    ngram_penalties: list[float]
    stop: list[str]
    top_n_tokens: int
    adapter_id: str
    decoder_input_details: bool


def sampling_parameters(target: Target, params: SamplingParams, seed: int | None) -> TgiParameters:
    """Without what TGI refuses: temperature 0, top_p 1, top_k 0, null for stop."""
    parameters: TgiParameters = {"max_new_tokens": params.max_new_tokens}
    if params.temperature > 0:
        # Without do_sample, temperature 1 alone would be greedy.
        parameters["do_sample"] = True
        parameters["temperature"] = params.temperature
        if params.top_p < 1:
            parameters["top_p"] = params.top_p
        if params.top_k > 0:
            parameters["top_k"] = params.top_k
        if seed is not None:
            parameters["seed"] = seed
    if params.repetition_penalty != 1:
        parameters["repetition_penalty"] = params.repetition_penalty
    if any(params.ngram_penalties):
        parameters["ngram_penalties"] = list(params.ngram_penalties)
    if params.stop:
        parameters["stop"] = list(params.stop[: target.max_stop_sequences])
    if target.adapter_id is not None:
        parameters["adapter_id"] = target.adapter_id
    return parameters


class TgiDialect:
    """/generate, /tokenize and /info of text-generation-inference."""

    needs_model: ClassVar[bool] = False
    takes_adapter: ClassVar[bool] = True

    def __init__(self, target: Target) -> None:
        self._target = target

    def generate(self, prompt: str, params: SamplingParams, seed: int | None) -> ApiCall[Generated]:
        parameters = sampling_parameters(self._target, params, seed)
        return ApiCall(self._generate_request(prompt, parameters), _read_generated)

    def next_token_logprobs(self, prompt: str, top: int) -> ApiCall[Mapping[str, float]]:
        parameters: TgiParameters = {"max_new_tokens": 1, "top_n_tokens": top}
        if self._target.adapter_id is not None:
            parameters["adapter_id"] = self._target.adapter_id
        return ApiCall(self._generate_request(prompt, parameters), _read_top_tokens)

    def score_all(
        self, prompt: str, continuations: Sequence[str]
    ) -> ApiCall[list[ContinuationScore]] | None:
        """Our model-server's own route, which knows no adapters; TGI answers 404."""
        if self._target.adapter_id is not None:
            return None
        body = {"inputs": prompt, "continuations": list(continuations)}
        return ApiCall(HttpRequest("POST", f"{self._target.url}/score", body), read_scores)

    def score(
        self, prompt: str, continuation: str, prompt_ids: Sequence[int] | None
    ) -> ApiCall[ContinuationScore]:
        parameters: TgiParameters = {"max_new_tokens": 1, "decoder_input_details": True}
        if self._target.adapter_id is not None:
            parameters["adapter_id"] = self._target.adapter_id
        before = list(prompt_ids or ())
        return ApiCall(
            self._generate_request(prompt + continuation, parameters),
            lambda response: read_prefill(response, before),
        )

    def token_ids(self, text: str) -> ApiCall[list[int]] | None:
        request = HttpRequest("POST", f"{self._target.url}/tokenize", {"inputs": text})
        return ApiCall(request, _read_ids)

    def count_tokens(self, text: str) -> ApiCall[int] | None:
        request = HttpRequest("POST", f"{self._target.url}/tokenize", {"inputs": text})
        return ApiCall(request, _read_count)

    def info(self) -> ApiCall[EngineInfo]:
        return ApiCall(HttpRequest("GET", f"{self._target.url}/info"), _read_info)

    def _generate_request(self, prompt: str, parameters: TgiParameters) -> HttpRequest:
        # Finish reason and number of tokens come with `details` alone.
        body = {"inputs": prompt, "parameters": {**parameters, "details": True}}
        return HttpRequest("POST", f"{self._target.url}/generate", body)


# With details, TGI lists every token as an object: some 30 kB for 300 tokens. The parser skips the
# fields that a model below leaves out without building them.


class _Details(BaseModel):
    finish_reason: str | None = None
    generated_tokens: TokenCount | None = None


class _Answer(BaseModel):
    generated_text: str
    details: _Details | None = None


class _Token(BaseModel):
    text: str = ""
    special: bool = False


class _TokenDetails(BaseModel):
    tokens: list[_Token] | None = None


class _AnswerTokens(BaseModel):
    details: _TokenDetails | None = None


class _LikelyToken(BaseModel):
    text: str
    logprob: float


class _TopDetails(BaseModel):
    top_tokens: list[list[_LikelyToken]] | None = None


class _AnswerTopTokens(BaseModel):
    generated_text: str
    details: _TopDetails | None = None


class _TokenId(BaseModel):
    id: int


class _TokenIds(RootModel[list[_TokenId]]):
    """Of /tokenize."""


class _Info(BaseModel):
    model_id: str = ""
    model_sha: str | None = None
    max_input_tokens: int | None = None
    max_total_tokens: int | None = None
    max_concurrent_requests: int | None = None
    ngram_penalties: bool = False
    """Our model-server's own word; TGI knows none, and leaves out what it does not know."""


class _TokenList(RootModel[list[JsonValue]]):
    """Of /tokenize."""


def _read_generated(response: HttpResponse) -> Generated:
    """The completion; the prompt's token count stands in the headers.

    TGI's generated_text is empty when the last token ends inside a character. The texts of the
    tokens before it are still there, and only then worth a second look at the body.
    """
    answer = parse(response, _Answer)
    details = answer.details or _Details()
    tokens = details.generated_tokens or 0
    text = answer.generated_text
    if not text and tokens > 0:
        text = _joined_tokens(response)
    header = response.headers.get("x-prompt-tokens", "")
    return Generated(
        text=text,
        finish_reason=_reason(response, details.finish_reason),
        prompt_tokens=int(header) if header.isdecimal() and len(header) < 10 else 0,
        completion_tokens=tokens,
    )


def _reason(response: HttpResponse, reported: str | None) -> FinishReason | None:
    if not reported:
        return None
    known: dict[str, FinishReason] = {reason: reason for reason in get_args(FinishReason)}
    if reported not in known:
        raise unknown_end(response, reported)
    return known[reported]


def _joined_tokens(response: HttpResponse) -> str:
    details = parse(response, _AnswerTokens).details
    tokens = (details.tokens if details else None) or []
    return "".join(token.text for token in tokens if not token.special)


def _read_top_tokens(response: HttpResponse) -> Mapping[str, float]:
    details = parse(response, _AnswerTopTokens).details
    top = (details.top_tokens if details else None) or [[]]
    return {token.text: token.logprob for token in top[0]}


def _read_ids(response: HttpResponse) -> list[int]:
    return [token.id for token in parse(response, _TokenIds).root]


def _read_count(response: HttpResponse) -> int:
    return len(parse(response, _TokenList).root)


def _read_info(response: HttpResponse) -> EngineInfo:
    info = parse(response, _Info)
    return EngineInfo(**info.model_dump() | {"model_sha": info.model_sha or ""})
