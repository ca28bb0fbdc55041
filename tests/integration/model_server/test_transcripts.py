"""Replays recorded answers of the real TGI: status, headers, shapes, error kinds, event framing."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from support.model_server_process import ModelServerProcess
from support.reference import reference_path

pytestmark = pytest.mark.model

NOT_APPLICABLE = {
    "a chat's tokens, not offered": ("chat_tokenize",),
    "needs a broken or restarted shard": ("shard_", "health_down", "ping_down"),
    "a process event, tested in test_process.py": ("sigterm", "disconnect"),
    "another server configuration, tested in test_http.py": (
        "auth_",
        "overload_",
        "err_413",
    ),
    "metric values; names are tested in test_http.py": ("metrics",),
    "client libraries' own view": ("client_",),
    "grammars and watermarks are refused": (
        "generate_grammar",
        "err_grammar",
        "generate_watermark",
    ),
    "adapters are not offered": ("lora_",),
}
OURS = frozenset({"ngram_penalties"})
"""What /info says beyond TGI's."""


def reason_to_skip(name: str) -> str | None:
    for reason, prefixes in NOT_APPLICABLE.items():
        if name.startswith(prefixes):
            return reason
    return None


def cases() -> list[str]:
    try:
        folder = reference_path("tgi")
    except pytest.skip.Exception:
        return []
    return sorted(path.stem for path in folder.glob("*.json") if not reason_to_skip(path.stem))


@pytest.fixture(scope="module")
def tgi_like(small_model: Path) -> Iterator[str]:
    """A server with the limits of the recording."""
    limits = ("--max-input-tokens", "512", "--max-total-tokens", "1024", "--max-top-n-tokens", "5")
    with ModelServerProcess(small_model, *limits) as server:
        yield server.url


def shape(value: Any) -> Any:
    """Keys and types; numbers are one type, a list is the shapes it contains."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return ["list", *sorted({json.dumps(shape(item)) for item in value})]
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, int | float) else "text"


def forget_prefill(value: Any) -> Any:
    """Always filled here; TGI fills it only with REQUEST_LOGPROBS=1."""
    if isinstance(value, dict):
        return {k: [] if k == "prefill" else forget_prefill(v) for k, v in value.items()}
    return [forget_prefill(item) for item in value] if isinstance(value, list) else value


def kind_of_text(text: str) -> str:
    """A framework error without the deserializer's own wording."""
    return text.split(":")[0]


def without_numbers(value: Any) -> Any:
    return json.loads(re.sub(r"\d+", "0", json.dumps(value)))


async def send(url: str, request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    body = request["body"]
    data = None if body is None else body if isinstance(body, str) else json.dumps(body)
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            request["method"],
            url + urlsplit(request["path"]).path,
            data=data,
            headers=request["headers"],
        ) as response,
    ):
        return response.status, dict(response.headers), await response.read()


def check_events(expected: list[str], received: bytes) -> None:
    """Same framing, and the first and the last event have the same keys."""
    lines = received.decode().split("\n\n")
    assert lines.pop() == ""
    assert all(line.startswith("data: ") for line in lines)
    recorded = [line for line in expected if line]
    for place in (0, -1):
        ours, theirs = lines[place], recorded[place]
        if theirs == "data: [DONE]":
            assert ours == theirs
            continue
        ours_json, theirs_json = (
            json.loads(line.removeprefix("data: ")) for line in (ours, theirs)
        )
        assert ours_json.keys() == theirs_json.keys()
        if "error" in theirs_json:
            assert without_numbers(ours_json) == without_numbers(theirs_json)
        elif theirs_json.get("details"):
            assert ours_json["details"].keys() == theirs_json["details"].keys()


@pytest.mark.parametrize("name", cases())
async def test_answers_like_tgi(name: str, tgi_like: str) -> None:
    recorded = json.loads(reference_path("tgi", f"{name}.json").read_text(encoding="utf-8"))
    request, expected = recorded.get("request"), recorded.get("response")
    if not request or not expected or request.get("path") is None:
        pytest.skip("no single request in this recording")
    status, headers, body = await send(tgi_like, request)
    assert status == expected["status"], body
    ignored = {"date", "content-length", "transfer-encoding"}
    wanted = {key.lower() for key, _ in expected["headers"]} - ignored
    assert wanted <= {key.lower() for key in headers}
    if "sse_lines" in expected:
        check_events([line["line"] for line in expected["sse_lines"]], body)
    elif "body_text" in expected:
        assert kind_of_text(body.decode()) == kind_of_text(expected["body_text"])
    elif status != 200:
        assert without_numbers(json.loads(body)) == without_numbers(expected["body"])
    else:
        ours, theirs = (forget_prefill(value) for value in (json.loads(body), expected["body"]))
        if name == "info":
            ours = {key: value for key, value in ours.items() if key not in OURS}
        assert shape(ours) == shape(theirs)
