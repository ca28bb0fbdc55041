"""What the engine double writes, in the JSON and the server-sent events of both APIs."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TOKEN = re.compile(r"\s*\S+|\s+")
EOS = {"id": 2, "text": "</s>", "logprob": -0.1, "special": True}
# TGI's /info, in part.
INFO = {
    "model_id": "double",
    "model_sha": None,
    "max_concurrent_requests": 128,
    "max_best_of": 2,
    "max_stop_sequences": 4,
    "max_input_tokens": 2047,
    "max_total_tokens": 2048,
    "max_client_batch_size": 4,
    "version": "3.3.7",
}


@dataclass
class Written:
    """A text as its tokens, ended as TGI ends it."""

    text: str
    tokens: list[dict[str, Any]]
    finish_reason: str

    @classmethod
    def of(cls, text: str, parameters: dict[str, Any]) -> "Written":
        """Stops only where the text so far ends with a stop sequence right after a token."""
        stops = parameters.get("stop") or []
        limit = parameters.get("max_new_tokens") or 100_000
        written, tokens = "", list[dict[str, Any]]()
        for number, token in enumerate(TOKEN.findall(text)):
            if number == limit:
                return cls(written, tokens, "length")
            written += token
            tokens.append({"id": 10 + number, "text": token, "logprob": -0.5, "special": False})
            if any(written.endswith(stop) for stop in stops):
                return cls(written, tokens, "stop_sequence")
        if len(tokens) == limit:
            return cls(written, tokens, "length")
        return cls(written, [*tokens, EOS], "eos_token")

    def ending_in_half_a_character(self) -> "Written":
        """The text is lost, its tokens are not; the last token is a part of a character."""
        half = {"id": 178, "text": "", "logprob": -1.0, "special": False}
        tokens = [token for token in self.tokens if not token["special"]]
        return Written("", [*tokens, half], "length")

    @property
    def openai_reason(self) -> str:
        return "length" if self.finish_reason == "length" else "stop"


def count_prompt(prompt: str) -> int:
    return len(TOKEN.findall(prompt)) + 1


def most_likely(logprobs: Mapping[str, float], count: int) -> dict[str, float]:
    return dict(sorted(logprobs.items(), key=lambda item: -item[1])[:count])


def token_number(text: str) -> int:
    """An id of the token, the same in every text."""
    return 10 + sum(text.encode())


def prompt_tokens(prompt: str) -> list[dict[str, Any]]:
    """The prompt's tokens as prefill: as likely as they are long, none for the first."""
    found = TOKEN.findall(prompt)
    scored = [{"id": token_number(t), "text": t, "logprob": -len(t) / 4} for t in found]
    return [{"id": 1, "text": "<s>", "logprob": None}, *scored]


def echoed(prompt: str, written: Written) -> dict[str, Any]:
    """`logprobs` of an echo: the prompt's tokens, then what was written."""
    tokens = [*TOKEN.findall(prompt), *(token["text"] for token in written.tokens)]
    offsets = [len("".join(tokens[:n])) for n in range(len(tokens))]
    logprobs: list[float | None] = [-len(token) / 4 for token in tokens]
    return {"tokens": tokens, "token_logprobs": [None, *logprobs[1:]], "text_offset": offsets}


def tgi_body(written: Written, top: Mapping[str, float]) -> dict[str, Any]:
    """An answer of /generate with details; with `top_tokens` if there are any."""
    details: dict[str, Any] = {
        "finish_reason": written.finish_reason,
        "generated_tokens": len(written.tokens),
        "seed": None,
        "prefill": [],
        "tokens": written.tokens,
    }
    if top:
        details["top_tokens"] = [
            [
                {"id": number, "text": text, "logprob": logprob, "special": False}
                for number, (text, logprob) in enumerate(top.items())
            ]
        ]
    return {"generated_text": written.text, "details": details}


def openai_body(
    written: Written, prompt_tokens: int, stops: list[str], top: Mapping[str, float]
) -> dict[str, Any]:
    """An answer of /v1/completions; with `logprobs` if there are any."""
    text = written.text
    for stop in stops:
        text = text.split(stop)[0]
    logprobs = {
        "tokens": [text],
        "token_logprobs": [-0.5],
        "top_logprobs": [dict(top)],
        "text_offset": [0],
    }
    choice = {
        "index": 0,
        "text": text,
        "finish_reason": written.openai_reason,
        "logprobs": logprobs if top else None,
    }
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": len(written.tokens),
        "total_tokens": prompt_tokens + len(written.tokens),
    }
    head = {"id": "", "object": "text_completion", "created": 1, "model": "double"}
    return {**head, "choices": [choice], "usage": usage}


def tgi_events(written: Written) -> list[bytes]:
    """One event a token; the last one carries text and details."""
    last = len(written.tokens) - 1
    details = {
        "finish_reason": written.finish_reason,
        "generated_tokens": len(written.tokens),
        "seed": None,
    }
    return [
        _event(
            {
                "index": number + 1,
                "token": token,
                "generated_text": written.text if number == last else None,
                "details": details if number == last else None,
            }
        )
        for number, token in enumerate(written.tokens)
    ]


def openai_events(written: Written) -> list[bytes]:
    """One event a token, and the mark of the end."""
    last = len(written.tokens) - 1
    events = []
    for number, token in enumerate(written.tokens):
        choice = {
            "index": 0,
            "text": "" if token["special"] else token["text"],
            "finish_reason": written.openai_reason if number == last else None,
        }
        events.append(_event({"id": "", "object": "text_completion", "choices": [choice]}))
    return [*events, b"data: [DONE]\n\n"]


def _event(body: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode()
