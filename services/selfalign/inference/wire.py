"""TGI's answers as they cross the wire, and what is kept of them.

An answer with details lists every token as an object: some 30 kB for 300 tokens, and 6 ms of CPU
where the client library parses each into a dataclass. Only the texts matter, and seldom.
"""

import json

from pydantic import BaseModel, ValidationError

from selfalign.inference.faults import not_an_answer
from selfalign.inference.http import HttpAnswer

PROMPT_TOKENS = "prompt_tokens"


class _Details(BaseModel):
    finish_reason: str | None = None
    generated_tokens: int | None = None


class _Generated(BaseModel):
    """The fields that we keep; the parser skips the others without building them."""

    generated_text: str
    details: _Details | None = None


class _Token(BaseModel):
    text: str = ""
    special: bool = False


class _TokenDetails(BaseModel):
    tokens: list[_Token] | None = None


class _Tokens(BaseModel):
    details: _TokenDetails | None = None


def trimmed(url: str, answer: HttpAnswer) -> bytes:
    """The answer without its tokens, and with the prompt's token count out of the headers.

    TGI's generated_text is empty when the last token ends inside a character; the texts of the
    tokens before it are still there.

    Raises:
        EngineError: it is no answer of TGI's.
    """
    body = answer.body
    try:
        generated = _Generated.model_validate_json(body)
    except ValidationError as error:
        raise not_an_answer(url, answer.text) from error
    if b'"top_tokens"' in body:
        return body
    details = generated.details or _Details()
    text = generated.generated_text
    if not text and (details.generated_tokens or 0) > 0:
        text = _joined_tokens(body)
    kept: dict[str, object] = {
        "finish_reason": details.finish_reason,
        "generated_tokens": details.generated_tokens or 0,
        "prefill": [],
        "tokens": [],
        PROMPT_TOKENS: _count(answer.headers.get("x-prompt-tokens", "")),
    }
    return json.dumps({"generated_text": text, "details": kept}).encode()


def _joined_tokens(body: bytes) -> str:
    details = _Tokens.model_validate_json(body).details
    tokens = (details.tokens if details else None) or []
    return "".join(token.text for token in tokens if not token.special)


def _count(header: str) -> int:
    return int(header) if header.isdecimal() else 0
