"""Scores of given continuations, as the APIs answer them."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from selfalign.errors import LogprobsUnsupported
from selfalign.inference.contract.engine import ContinuationScore
from selfalign.inference.dialects.json_answer import parse
from selfalign.inference.http.http_messages import HttpResponse


class _PrefillToken(BaseModel):
    id: int
    logprob: float | None = None


class _PrefillDetails(BaseModel):
    prefill: list[_PrefillToken] | None = None


class _AnswerPrefill(BaseModel):
    details: _PrefillDetails | None = None


class _Score(BaseModel):
    logprob: float
    tokens: int


class _Scores(BaseModel):
    scores: list[_Score]


class _EchoLogProbs(BaseModel):
    token_logprobs: list[float | None] | None = None
    text_offset: list[int] | None = None


class _EchoChoice(BaseModel):
    logprobs: _EchoLogProbs | None = None


class _EchoAnswer(BaseModel):
    choices: Annotated[list[_EchoChoice], Field(min_length=1)]


def read_scores(response: HttpResponse) -> list[ContinuationScore]:
    """Of our model-server's /score."""
    found = parse(response, _Scores).scores
    return [ContinuationScore(one.logprob, one.tokens) for one in found]


def read_prefill(response: HttpResponse, before: Sequence[int]) -> ContinuationScore:
    """Of TGI's decoder_input_details.

    The sum over the tokens behind those that prompt and whole text have in common.

    Args:
        before: The prompt's token ids.

    Raises:
        LogprobsUnsupported: the details have none of the prompt's log-probabilities.
    """
    details = parse(response, _AnswerPrefill).details
    tokens = (details.prefill if details else None) or []
    if not tokens:
        raise LogprobsUnsupported(f"{response.url}: no prefill among the details of an answer")
    pairs = enumerate(zip(before, tokens, strict=False))
    same = next((n for n, (number, token) in pairs if number != token.id), None)
    first = min(len(before), len(tokens)) if same is None else same
    given = [token.logprob for token in tokens[max(first, 1) :]]
    if any(logprob is None for logprob in given):
        raise LogprobsUnsupported(f"{response.url}: prefill tokens come without log-probabilities")
    return ContinuationScore(sum(logprob or 0.0 for logprob in given), len(given))


def read_echo(response: HttpResponse, start: int, end: int) -> ContinuationScore:
    """Of `echo` with `logprobs` in OpenAI's completion API.

    The sum over the tokens that begin between the characters `start` and `end` of the echo.

    Raises:
        LogprobsUnsupported: the prompt is not echoed with its log-probabilities.
    """
    logprobs = parse(response, _EchoAnswer).choices[0].logprobs or _EchoLogProbs()
    values, offsets = logprobs.token_logprobs or [], logprobs.text_offset or []
    # An answer without the echo has the offsets of its own text, one token of it.
    if len(values) != len(offsets) or len(values) < 2:
        raise LogprobsUnsupported(f"{response.url}: `echo` with `logprobs` gives no prompt tokens")
    pairs = zip(offsets, values, strict=True)
    given = [value for offset, value in pairs if start <= offset < end]
    if any(value is None for value in given):
        raise LogprobsUnsupported(f"{response.url}: prompt tokens come without log-probabilities")
    return ContinuationScore(sum(value or 0.0 for value in given), len(given))
