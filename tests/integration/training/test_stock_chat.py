"""Merged weights of both layouts, asked by stock chat calls: answers end without stop strings."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from openai import AsyncOpenAI

from selfalign.model_server.api.gate import Gate
from selfalign.model_server.server_options import ModelServerSettings
from selfalign.model_server.serving import build_api, build_app
from support.training_data import CHAT_TEMPLATE
from support.training_job import Job, MakeJob

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
QUESTION = "Which colour has the river number 14?"
NEW_TOKENS = 60


@pytest.fixture(scope="module", params=["headers", "template"])
def trained(
    request: pytest.FixtureRequest, make_job: MakeJob, base_model: Path, tmp_path_factory: Any
) -> Job:
    """A tiny model that has learned how long an answer is."""
    options: dict[str, Any] = {"epochs": 12, "lora": {"r": 32, "dropout": 0.0}}
    if request.param == "template":
        folder = tmp_path_factory.mktemp("chat") / "base"
        shutil.copytree(base_model, folder)
        (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
        layout = {"meta_prompts": ["It helps."], "chat_template": True}
        options |= {"base_model": str(folder), "layout": layout}
    job = make_job(**options)
    assert job.run_alone() == 0, job.stderr
    return job


def test_the_pipeline_of_transformers(trained: Job) -> None:
    from transformers import pipeline

    chat: Any = pipeline("text-generation", model=str(trained.output / "merged"))
    (answer,) = chat(
        [{"role": "user", "content": QUESTION}], max_new_tokens=NEW_TOKENS, do_sample=False
    )
    text = answer["generated_text"][-1]["content"]
    assert "is" in text
    assert len(chat.tokenizer(text)["input_ids"]) < NEW_TOKENS - 1
    assert "User" not in text


def test_generate_over_the_chat_template(trained: Job) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    merged = trained.output / "merged"
    model: Any = AutoModelForCausalLM.from_pretrained(merged)
    tokenizer: Any = AutoTokenizer.from_pretrained(merged)
    inputs = tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    output = model.generate(**inputs, max_new_tokens=NEW_TOKENS, do_sample=False)[0]
    assert output[-1] == tokenizer.eos_token_id
    assert len(output) < inputs["input_ids"].shape[1] + NEW_TOKENS


async def test_the_chat_route_of_our_server(trained: Job) -> None:
    """Over openai's client: the pipeline's answer, ended by the end of turn."""
    from transformers import pipeline

    folder = trained.output / "merged"
    chat: Any = pipeline("text-generation", model=str(folder), dtype="float32")
    messages: Any = [{"role": "user", "content": QUESTION}]
    (expected,) = chat(messages, max_new_tokens=NEW_TOKENS, do_sample=False)
    api = build_api(ModelServerSettings(model=str(folder), dtype="fp32"))
    server = TestServer(build_app(api, Gate()))
    await server.start_server()
    try:
        url = str(server.make_url("/v1"))
        async with AsyncOpenAI(base_url=url, api_key="unused", max_retries=0) as client:
            answer = await client.chat.completions.create(
                model="m", messages=messages, max_tokens=NEW_TOKENS, temperature=0
            )
    finally:
        await server.close()
        api.generator.engine.close()
    (choice,) = answer.choices
    assert choice.finish_reason == "stop"
    assert choice.message.content == expected["generated_text"][-1]["content"]


def test_what_is_shipped_names_no_folder_of_this_machine(trained: Job) -> None:
    folder = str(trained.folder.parent)
    for path in trained.output.rglob("*"):
        if path.suffix in (".md", ".json", ".jinja") and path.name != "manifest.json":
            assert folder not in path.read_text(), path
    assert folder not in str(trained.manifest()["details"])
