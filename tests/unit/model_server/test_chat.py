"""OpenAI's chat route: the folder's own template, then the same generation as /generate."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from tokenizers import processors

from selfalign.errors import ModelError
from selfalign.model_server.api.chat_template import load_chat_template
from selfalign.model_server.api.gate import Gate
from selfalign.model_server.server_options import ModelServerSettings
from selfalign.model_server.serving import build_api, build_app
from selfalign.model_server.transformer.model_config import load_config

Tiny = tuple[Path, Any]
Client = TestClient[Any, Any]
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'tool' %}{{ raise_exception('no tools here') }}{% endif %}"
    "{{ message['role'] }}: {{ message['content'] }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
SETTINGS = {"bos_token": {"content": "<s>", "special": True}, "eos_token": "</s>"}
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hé?"}]
RENDERED = "<s>system: Be brief.</s>\nuser: Hé?</s>\nassistant: "


@pytest.fixture
def folder(tiny: Tiny, tmp_path: Path) -> Path:
    """The tiny model with a chat template."""
    place = tmp_path / "chat"
    shutil.copytree(tiny[0], place)
    (place / "chat_template.jinja").write_text(TEMPLATE)
    (place / "tokenizer_config.json").write_text(json.dumps(SETTINGS))
    return place


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[Client]:
    api = build_api(ModelServerSettings(dtype="fp32", model=str(folder), **settings))
    server = TestServer(build_app(api, Gate(settings.get("api_key"))))
    await server.start_server()
    client: Client = TestClient(server)
    try:
        yield client
    finally:
        await client.close()
        api.generator.engine.close()


async def post(client: Client, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    async with client.post(path, json=body) as response:
        return response.status, await response.json()


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": MESSAGES, "temperature": 0, "max_tokens": 12, **fields}


async def test_a_chat_is_the_template_and_then_generate(folder: Path) -> None:
    async with serving(folder) as client:
        status, answer = await post(client, "/v1/chat/completions", chat())
        native = {"inputs": RENDERED, "parameters": {"max_new_tokens": 12, "details": True}}
        _, expected = await post(client, "/generate", native)
    assert status == 200
    (choice,) = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": expected["generated_text"]}
    assert choice["finish_reason"] == "length"
    prompt = len(RENDERED.encode()) - len("<s></s></s>") + 3
    assert answer["usage"] == {
        "prompt_tokens": prompt,
        "completion_tokens": expected["details"]["generated_tokens"],
        "total_tokens": prompt + expected["details"]["generated_tokens"],
    }


async def test_special_tokens_are_the_templates_alone(folder: Path) -> None:
    """A tokenizer that adds a begin token by itself does not add a second one."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    async with serving(folder) as client:
        _, answer = await post(client, "/v1/chat/completions", chat())
    assert answer["usage"]["prompt_tokens"] == len(RENDERED.encode()) - len("<s></s></s>") + 3


@pytest.mark.parametrize("usage", [True, False])
async def test_a_stream_says_the_same(usage: bool, folder: Path) -> None:
    body = chat(stream=True, stream_options={"include_usage": usage}, logprobs=True)
    async with serving(folder) as client:
        _, whole = await post(client, "/v1/chat/completions", chat(logprobs=True, top_logprobs=2))
        async with client.post("/v1/chat/completions", json=body) as response:
            lines = (await response.text()).split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]
    if usage:
        last = chunks.pop()
        assert (last["choices"], last["usage"]) == ([], whole["usage"])
    deltas = [chunk["choices"][0]["delta"]["content"] for chunk in chunks]
    assert "".join(deltas) == whole["choices"][0]["message"]["content"]
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["length"]
    entries = whole["choices"][0]["logprobs"]["content"]
    assert len(entries) == len(chunks)
    assert all(len(entry["top_logprobs"]) >= 2 for entry in entries)
    assert [chunk["choices"][0]["logprobs"]["content"][0]["token"] for chunk in chunks] == [
        entry["token"] for entry in entries
    ]


@pytest.mark.parametrize(
    ("fields", "message", "kind"),
    [
        ({"top_p": 2.0, "temperature": 1.0}, "`top_p` must be > 0.0 and < 1.0", "validation"),
        ({"n": 2}, "`n` is not supported by this server", "validation"),
        ({"tools": [{"type": "function"}]}, "`tools` is not supported", "validation"),
        ({"response_format": {"type": "json_object"}}, "`response_format` is not", "validation"),
        ({"frequency_penalty": 0.5}, "`frequency_penalty` is not supported", "validation"),
        (
            {"messages": [{"role": "tool", "content": "1"}]},
            "Template error: no tools here",
            "template_error",
        ),
    ],
)
async def test_what_cannot_be_answered_is_refused(
    fields: dict[str, Any], message: str, kind: str, folder: Path
) -> None:
    async with serving(folder) as client:
        status, answer = await post(client, "/v1/chat/completions", chat(**fields))
    assert (status, answer["error_type"]) == (422, kind)
    assert message in answer["error"]


@pytest.mark.parametrize(
    ("messages", "place"),
    [
        ([], "messages"),
        ("hello", "messages"),
        ([{"role": "user"}], "missing field `messages.0.content"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "messages.0.content"),
    ],
)
async def test_bodies_of_another_type_name_the_place(
    messages: object, place: str, folder: Path
) -> None:
    async with serving(folder) as client:
        body = chat(messages=messages)
        async with client.post("/v1/chat/completions", json=body) as response:
            assert response.status == 422
            assert place in await response.text()


async def test_parts_of_text_are_one_message(folder: Path) -> None:
    parts = [{"type": "text", "text": "H"}, {"type": "text", "text": "é?"}]
    messages = [MESSAGES[0], {"role": "user", "content": parts}]
    async with serving(folder) as client:
        _, whole = await post(client, "/v1/chat/completions", chat())
        _, joined = await post(
            client, "/v1/chat/completions", chat(messages=messages, max_completion_tokens=12)
        )
    assert joined["choices"] == whole["choices"]


async def test_a_model_without_a_template_takes_no_chats(tiny: Tiny) -> None:
    async with serving(tiny[0]) as client:
        status, answer = await post(client, "/v1/chat/completions", chat())
    assert status == 422
    assert answer == {"error": "Template error: template not found", "error_type": "template_error"}


async def test_generation_ends_at_each_end_token_that_the_folder_names(folder: Path) -> None:
    async with serving(folder) as client:
        native = {"inputs": RENDERED, "parameters": {"max_new_tokens": 12, "details": True}}
        _, before = await post(client, "/generate", native)
        third = before["details"]["tokens"][2]["id"]
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, third]}))
    assert load_config(folder).eos_token_ids == {1, third}
    async with serving(folder) as client:
        _, answer = await post(client, "/v1/chat/completions", chat())
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] <= 3


@pytest.mark.parametrize(
    ("in_settings", "file", "expected"),
    [
        ("A", None, "A"),
        ("A", "B", "B"),
        ([{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}], None, "D"),
        (None, None, None),
    ],
)
def test_where_the_template_stands(
    in_settings: object, file: str | None, expected: str | None, tmp_path: Path
) -> None:
    settings = {"chat_template": in_settings} if in_settings else {}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    if file:
        (tmp_path / "chat_template.jinja").write_text(file)
    template = load_chat_template(tmp_path)
    assert (template.source if template else None) == expected


def test_a_template_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(ModelError, match=r"chat_template\.jinja: cannot be read"):
        load_chat_template(tmp_path)
