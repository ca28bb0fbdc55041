"""How dialects read answers: real transcripts, every word for an end, and foreign bodies."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.errors import (
    EngineError,
    EngineOverloaded,
    EngineRejected,
    EngineUnauthorized,
    EngineUnavailable,
    RouteMissing,
)
from selfalign.inference.dialects.dialect import ApiCall, Generated, Target
from selfalign.inference.dialects.register import DIALECTS
from selfalign.inference.http.http_errors import error_text, status_error
from selfalign.inference.http.http_messages import HttpResponse
from selfalign.settings.sampling import SamplingParams
from support.reference import reference_path

URL = "http://engine"
PARAMS = SamplingParams(max_new_tokens=50)


def transcript(case: str) -> dict[str, Any]:
    path = reference_path("tgi", f"{case}.json")
    response: dict[str, Any] = json.loads(path.read_text())["response"]
    return response


def answered(body: bytes, headers: dict[str, str] | None = None, status: int = 200) -> HttpResponse:
    return HttpResponse(f"{URL}/generate", status, headers or {}, body)


def generate(kind: str, params: SamplingParams = PARAMS) -> ApiCall[Generated]:
    return DIALECTS[kind](Target(URL, model="m")).generate("Q:", params, None)


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
    answer = generate("tgi").read(answered(json.dumps(response["body"]).encode(), headers))
    details = response["body"]["details"]
    assert answer == Generated(
        text=text,
        finish_reason=details["finish_reason"],
        prompt_tokens=int(headers["x-prompt-tokens"]),
        completion_tokens=details["generated_tokens"],
    )


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("overload_429_generate", EngineOverloaded),
        ("shard_down_generate", EngineUnavailable),
        ("shard_killed_generate_424", EngineUnavailable),
        ("auth_wrong", EngineUnauthorized),
        ("err_missing_inputs", EngineRejected),
        ("err_input_too_long", EngineRejected),
        ("err_413", EngineRejected),
        ("err_bad_json", EngineRejected),
        ("err_404", RouteMissing),
    ],
)
def test_real_errors(case: str, error: type[EngineError]) -> None:
    response = transcript(case)
    body = response.get("body_text")
    if body is None:
        body = json.dumps(response["body"])
    raised = status_error(answered(body.encode(), status=response["status"]))
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


@pytest.mark.parametrize("kind", DIALECTS)
@given(body=st.binary(max_size=40))
def test_other_bodies_are_errors(kind: str, body: bytes) -> None:
    dialect = DIALECTS[kind](Target(URL, model="m"))
    calls: list[ApiCall[Any] | None] = [
        dialect.generate("Q:", PARAMS, None),
        dialect.next_token_logprobs("Q:", 5),
        dialect.count_tokens("Q:"),
    ]
    for call in calls:
        if call is not None:
            with pytest.raises(EngineError, match="answered 200 without a completion"):
                call.read(answered(body))


@pytest.mark.parametrize("kind", DIALECTS)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'"text"'])
def test_foreign_bodies_are_no_info(kind: str, body: bytes) -> None:
    info = DIALECTS[kind](Target(URL, model="m")).info()
    with pytest.raises(EngineError, match="answered 200 without a completion"):
        info.read(answered(body))


def test_tokens_stand_in_for_a_lost_text() -> None:
    tokens = [
        {"text": "a", "special": False},
        {"text": "<s>", "special": True},
        {"text": "", "special": False},
        {"text": " b", "special": False},
    ]
    details = {"finish_reason": "length", "generated_tokens": 4, "tokens": tokens}
    body = json.dumps({"generated_text": "", "details": details}).encode()
    assert generate("tgi").read(answered(body)).text == "a b"


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ("length", "length"),
        ("eos_token", "eos_token"),
        ("stop_sequence", "stop_sequence"),
        ("", None),
        (None, None),
    ],
)
def test_words_of_tgi_for_an_end(reported: str | None, expected: str | None) -> None:
    body = {"generated_text": "a", "details": {"finish_reason": reported, "generated_tokens": 1}}
    assert generate("tgi").read(answered(json.dumps(body).encode())).finish_reason == expected


@pytest.mark.parametrize("reported", ["abort", "error", "content_filter", "something new"])
@pytest.mark.parametrize("kind", DIALECTS)
def test_an_end_that_we_do_not_know_is_no_whole_answer(kind: str, reported: str) -> None:
    """vLLM answers `abort` with half a sentence and status 200."""
    body = {
        "generated_text": "Half a",
        "details": {"finish_reason": reported, "generated_tokens": 3},
        "choices": [{"text": "Half a", "finish_reason": reported}],
    }
    with pytest.raises(EngineError, match=rf"finish reason '{reported}'; expected one"):
        generate(kind).read(answered(json.dumps(body).encode()))


ODD_COUNTS = [-1, 2**31, 10**400, "many", 1.5]


@pytest.mark.parametrize("count", ODD_COUNTS, ids=range(len(ODD_COUNTS)))
@pytest.mark.parametrize("kind", DIALECTS)
def test_counts_that_no_row_can_hold_are_no_answer(kind: str, count: object) -> None:
    body = {
        "generated_text": "a",
        "details": {"finish_reason": "length", "generated_tokens": count},
        "choices": [{"text": "a", "finish_reason": "length"}],
        "usage": {"completion_tokens": count},
    }
    with pytest.raises(EngineError, match="answered 200 without a completion"):
        generate(kind).read(answered(json.dumps(body).encode()))


@pytest.mark.parametrize(
    "body",
    [
        b'{"generated_text": "\\ud83d", "choices": [{"text": "\\ud83d"}]}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"generated_text": "a", "choices": [{"text": "a"}], "x": ' + b"[" * 100_000,
    ],
    ids=["half a surrogate pair", "deep list", "deep mapping", "deep in a field"],
)
@pytest.mark.parametrize("kind", DIALECTS)
def test_bodies_that_no_parser_likes_are_no_answer(kind: str, body: bytes) -> None:
    with pytest.raises(EngineError, match="answered 200 without a completion"):
        generate(kind).read(answered(body))


@pytest.mark.parametrize(
    ("choice", "stops", "expected"),
    [
        ({"finish_reason": "length"}, (), "length"),
        ({"finish_reason": "stop"}, (), "eos_token"),
        ({"finish_reason": "stop"}, ("#",), "stop_sequence"),
        ({"finish_reason": "stop", "stop_reason": None}, ("#",), "eos_token"),
        ({"finish_reason": "stop", "stop_reason": 2}, ("#",), "eos_token"),
        ({"finish_reason": "stop", "stop_reason": "#"}, ("#",), "stop_sequence"),
        ({"finish_reason": "stop_sequence"}, (), "stop_sequence"),
        ({"finish_reason": "eos_token"}, ("#",), "eos_token"),
        ({"finish_reason": None}, ("#",), None),
        ({}, (), None),
    ],
)
def test_words_of_openai_for_an_end(
    choice: dict[str, Any], stops: tuple[str, ...], expected: str | None
) -> None:
    params = SamplingParams(max_new_tokens=50, stop=stops)
    body = {"choices": [{"text": "a", **choice}], "usage": {"completion_tokens": 1}}
    answer = generate("openai", params).read(answered(json.dumps(body).encode()))
    assert (answer.text, answer.finish_reason) == ("a", expected)
    assert (answer.prompt_tokens, answer.completion_tokens) == (0, 1)


@pytest.mark.parametrize(
    ("kind", "penalties", "sent"),
    [
        ("tgi", (0.0, 0.0, 1.0, 2.0), [0.0, 0.0, 1.0, 2.0]),
        ("tgi", (0.0, 0.0), None),
        ("tgi", (), None),
        # Nobody who speaks this API knows it: a run that asks for it is refused at the start.
        ("openai", (0.0, 0.0, 1.0, 2.0), None),
    ],
)
def test_penalties_on_runs_are_sent_where_they_are_known(
    kind: str, penalties: tuple[float, ...], sent: list[float] | None
) -> None:
    params = PARAMS.model_copy(update={"ngram_penalties": penalties})
    body = generate(kind, params).request.body
    assert isinstance(body, dict)
    assert body.get("parameters", body).get("ngram_penalties") == sent
