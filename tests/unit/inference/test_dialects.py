"""What is kept of TGI's answers: real transcripts, and bodies that are not TGI's."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.errors import EngineError, EngineOverloaded, EngineRejected, EngineUnauthorized
from selfalign.errors import EngineUnavailable as Unavailable
from selfalign.inference.faults import error_text, status_error
from selfalign.inference.http import HttpAnswer
from selfalign.inference.wire import trimmed
from support.reference import reference_path

URL = "http://engine/generate"


def transcript(case: str) -> dict[str, Any]:
    path = reference_path("tgi", f"{case}.json")
    response: dict[str, Any] = json.loads(path.read_text())["response"]
    return response


def answered(body: bytes, headers: dict[str, str] | None = None) -> HttpAnswer:
    return HttpAnswer(200, headers or {}, body)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("generate_length", " Paris.\n\nThe capital"),
        ("generate_eos", "I'm ready to help. What's your business?\n"),
        ("partial_utf8_generate_2", ""),
    ],
)
def test_real_answers(case: str, text: str) -> None:
    response = transcript(case)
    headers = dict(response["headers"])
    answer = json.loads(trimmed(URL, answered(json.dumps(response["body"]).encode(), headers)))
    details = response["body"]["details"]
    assert answer["generated_text"] == text
    assert answer["details"]["finish_reason"] == details["finish_reason"]
    assert answer["details"]["generated_tokens"] == details["generated_tokens"]
    assert answer["details"]["prompt_tokens"] == int(headers["x-prompt-tokens"])


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("overload_429_generate", EngineOverloaded),
        ("shard_down_generate", Unavailable),
        ("shard_killed_generate_424", Unavailable),
        ("auth_wrong", EngineUnauthorized),
        ("err_missing_inputs", EngineRejected),
        ("err_input_too_long", EngineRejected),
        ("err_413", EngineRejected),
        ("err_bad_json", EngineRejected),
        ("err_404", EngineRejected),
    ],
)
def test_real_errors(case: str, error: type[EngineError]) -> None:
    response = transcript(case)
    body = response.get("body_text")
    if body is None:
        body = json.dumps(response["body"])
    raised = status_error(URL, response["status"], body)
    assert type(raised) is error
    assert str(response["status"]) in str(raised)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"error":"Model is overloaded","error_type":"overloaded"}', "Model is overloaded"),
        ('{"error":{"message":"deep","code":1}}', "deep"),
        ('{"object":"error","message":"vLLM says"}', "vLLM says"),
        ("plain words", "plain words"),
        ("", ""),
        ("3", "3"),
    ],
)
def test_messages_of_error_bodies(body: str, text: str) -> None:
    assert error_text(body) == text


@given(st.text())
def test_error_text_takes_anything(body: str) -> None:
    assert len(error_text(body)) <= 504


@given(st.binary(max_size=40))
def test_other_bodies_are_errors(body: bytes) -> None:
    with pytest.raises(EngineError, match="answered 200 without a completion"):
        trimmed(URL, answered(body))


def test_tokens_stand_in_for_a_lost_text() -> None:
    tokens = [
        {"text": "a", "special": False},
        {"text": "<s>", "special": True},
        {"text": "", "special": False},
        {"text": " b", "special": False},
    ]
    details = {"finish_reason": "length", "generated_tokens": 4, "tokens": tokens}
    body = json.dumps({"generated_text": "", "details": details}).encode()
    assert json.loads(trimmed(URL, answered(body)))["generated_text"] == "a b"
