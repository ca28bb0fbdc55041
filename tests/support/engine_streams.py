"""Server-sent events of both APIs, as the engine double answers requests with `stream`."""

import json
from collections.abc import Sequence
from typing import Any

Token = dict[str, Any]


def tgi_events(tokens: Sequence[Token], text: str, finish_reason: str) -> list[bytes]:
    """One event a token; the last one carries text and details."""
    last = len(tokens) - 1
    details = {"finish_reason": finish_reason, "generated_tokens": len(tokens), "seed": None}
    return [
        _event(
            {
                "index": number + 1,
                "token": token,
                "generated_text": text if number == last else None,
                "details": details if number == last else None,
            }
        )
        for number, token in enumerate(tokens)
    ]


def openai_events(tokens: Sequence[Token], finish_reason: str) -> list[bytes]:
    """One event a token, and the mark of the end."""
    last = len(tokens) - 1
    events = []
    for number, token in enumerate(tokens):
        choice = {
            "index": 0,
            "text": "" if token["special"] else token["text"],
            "finish_reason": finish_reason if number == last else None,
        }
        events.append(_event({"id": "", "object": "text_completion", "choices": [choice]}))
    return [*events, b"data: [DONE]\n\n"]


def _event(body: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode()
