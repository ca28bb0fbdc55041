"""What TGI's router checks before a request may run; the messages are its own."""

import secrets
from dataclasses import dataclass

from selfalign.model_server.api.request_bodies import GenerateParameters
from selfalign.model_server.batching.active_request import Prompt
from selfalign.model_server.batching.sampler import Sampling
from selfalign.model_server.batching.tokenizer import TextTokenizer


class InvalidRequest(Exception):
    """Semantically wrong; `str(error)` is the message after "Input validation error: "."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """See ModelServerSettings; every value is known here."""

    max_input_tokens: int
    max_total_tokens: int
    max_best_of: int
    max_stop_sequences: int
    max_top_n_tokens: int
    max_client_batch_size: int
    max_concurrent_requests: int


@dataclass(frozen=True, slots=True)
class ValidRequest:
    """A request that the engine takes."""

    prompt: Prompt
    text: str
    best_of: int
    details: bool
    return_full_text: bool


def validate(
    inputs: str,
    parameters: GenerateParameters,
    limits: RequestLimits,
    tokenizer: TextTokenizer,
    *,
    streaming: bool = False,
    templated: bool = False,
) -> ValidRequest:
    """Checks the values and encodes the text, which has its special tokens if it is `templated`.

    Raises:
        InvalidRequest: naming the parameter and what it must be.
    """
    _check_best_of(parameters, limits, streaming=streaming)
    _check_ranges(parameters)
    _check_limits(parameters, limits)
    if not inputs:
        raise InvalidRequest("`inputs` cannot be empty")
    tokens = tokenizer.encode(
        inputs, keep_last=parameters.truncate, add_special_tokens=not templated
    )
    if not tokens:
        raise InvalidRequest("`inputs` cannot be empty")
    return ValidRequest(
        prompt=Prompt(
            tokens=tuple(tokens),
            max_new_tokens=_new_tokens(len(tokens), parameters.max_new_tokens, limits),
            sampling=_sampling(parameters),
            stop=tuple(parameters.stop),
            prefill_logprobs=parameters.decoder_input_details,
        ),
        text=inputs,
        best_of=parameters.best_of or 1,
        details=parameters.details or parameters.decoder_input_details,
        return_full_text=bool(parameters.return_full_text),
    )


def _check_best_of(
    parameters: GenerateParameters, limits: RequestLimits, *, streaming: bool
) -> None:
    best_of = 1 if parameters.best_of is None else parameters.best_of
    if streaming and best_of != 1:
        raise InvalidRequest("`best_of` != 1 is not supported when streaming tokens")
    if streaming and parameters.decoder_input_details:
        raise InvalidRequest(
            "`decoder_input_details` == true is not supported when streaming tokens"
        )
    if not 0 < best_of <= limits.max_best_of:
        raise InvalidRequest(f"`best_of` must be > 0 and <= {limits.max_best_of}. Given: {best_of}")
    if best_of > 1 and not _samples(parameters):
        raise InvalidRequest("you must use sampling when `best_of` is > 1")
    if best_of > 1 and parameters.seed is not None:
        raise InvalidRequest("`seed` must not be set when `best_of` > 1")


def _check_ranges(parameters: GenerateParameters) -> None:
    positive = ("temperature", "repetition_penalty", "top_k", "max_new_tokens")
    for name in positive:
        value = getattr(parameters, name)
        if value is not None and value <= 0:
            raise InvalidRequest(f"`{name}` must be strictly positive")
    if parameters.top_p is not None and not 0 < parameters.top_p < 1:
        raise InvalidRequest("`top_p` must be > 0.0 and < 1.0")
    if any(penalty < 0 for penalty in parameters.ngram_penalties or ()):
        raise InvalidRequest("`ngram_penalties` must not be negative")
    unsupported = {
        "typical_p": parameters.typical_p is not None,
        "frequency_penalty": bool(parameters.frequency_penalty),
        "watermark": parameters.watermark,
        "grammar": parameters.grammar is not None,
    }
    for name, given in unsupported.items():
        if given:
            raise InvalidRequest(f"`{name}` is not supported by this server")


def _check_limits(parameters: GenerateParameters, limits: RequestLimits) -> None:
    if len(parameters.stop) > limits.max_stop_sequences:
        raise InvalidRequest(
            f"`stop` supports up to {limits.max_stop_sequences} stop sequences. "
            f"Given: {len(parameters.stop)}"
        )
    most = limits.max_top_n_tokens
    if (parameters.top_n_tokens or 0) > most:
        raise InvalidRequest(
            f"`top_n_tokens` must be >= 0 and <= {most}. Given: {parameters.top_n_tokens}"
        )
    truncate = parameters.truncate
    if truncate is not None and not 0 < truncate <= limits.max_input_tokens:
        raise InvalidRequest(
            f"`truncate` must be strictly positive and less than {limits.max_input_tokens}. "
            f"Given: {truncate}"
        )


def _new_tokens(length: int, asked: int | None, limits: RequestLimits) -> int:
    total = limits.max_total_tokens
    new = total - length if asked is None else min(asked, total)
    if length + new > total and length <= limits.max_input_tokens:
        raise InvalidRequest(
            f"`inputs` tokens + `max_new_tokens` must be <= {total}. "
            f"Given: {length} `inputs` tokens and {new} `max_new_tokens`"
        )
    if length > limits.max_input_tokens:
        raise InvalidRequest(
            f"`inputs` must have less than {limits.max_input_tokens} tokens. Given: {length}"
        )
    return new


def _samples(parameters: GenerateParameters) -> bool:
    return (
        parameters.do_sample
        or parameters.temperature not in (None, 1.0)
        or parameters.top_k is not None
        or parameters.top_p is not None
    )


def _sampling(parameters: GenerateParameters) -> Sampling:
    seed = parameters.seed
    return Sampling(
        greedy=not _samples(parameters),
        temperature=1.0 if parameters.temperature is None else parameters.temperature,
        top_k=parameters.top_k,
        top_p=parameters.top_p,
        repetition_penalty=parameters.repetition_penalty or 1.0,
        ngram_penalties=tuple(parameters.ngram_penalties or ()),
        seed=secrets.randbits(64) if seed is None else seed,
        top_n_tokens=parameters.top_n_tokens or 0,
    )
