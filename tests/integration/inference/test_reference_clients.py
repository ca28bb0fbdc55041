"""The clients that the makers of both APIs ship, beside our dialects: one request, one answer.

huggingface_hub's AsyncInferenceClient is the reference for TGI, openai's AsyncOpenAI for the other.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from huggingface_hub import AsyncInferenceClient
from openai import AsyncOpenAI, UnprocessableEntityError

from selfalign.inference.dialects.dialect import Target
from selfalign.inference.dialects.openai import extra_parameters
from selfalign.inference.dialects.openai import sampling_parameters as openai_parameters
from selfalign.inference.dialects.tgi import sampling_parameters as tgi_parameters
from selfalign.settings.sampling import SamplingParams
from support.engine_clients import connected
from support.engine_double import EngineDouble, serving

PROMPT = "The capital of France is"
SEED = 7
PARAMS = [
    SamplingParams(max_new_tokens=9),
    SamplingParams(max_new_tokens=12, stop=(" France", "\n\n")),
    SamplingParams(
        max_new_tokens=9, temperature=1.0, top_p=0.9, top_k=40, repetition_penalty=1.1, stop=(".",)
    ),
]


@dataclass(frozen=True)
class Answer:
    """What both sides tell of a completion."""

    text: str
    finish_reason: str
    completion_tokens: int


async def hub_answer(url: str, params: SamplingParams) -> Answer:
    # The root would add the prompt to the text, as TGI's route for the Hub's own API does.
    async with AsyncInferenceClient(f"{url}/generate", token="unused") as client:
        output = await client.text_generation(
            PROMPT, details=True, **tgi_parameters(Target(url), params, SEED)
        )
    assert output.details is not None
    reason = str(output.details.finish_reason)
    return Answer(output.generated_text, reason, output.details.generated_tokens)


async def openai_answer(url: str, model: str, params: SamplingParams) -> Answer:
    target = Target(url, model=model)
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as client:
        output = await client.completions.create(
            model=model,
            prompt=PROMPT,
            extra_body=dict(extra_parameters(params)),
            **openai_parameters(target, params, SEED),
        )
    assert output.usage is not None
    choice = output.choices[0]
    return Answer(choice.text, choice.finish_reason, output.usage.completion_tokens)


async def our_answer(kind: str, url: str, model: str, params: SamplingParams) -> Answer:
    async with connected(kind, url, model) as engine:
        completion = await engine.generate(PROMPT, params, seed=SEED, deadline_s=60.0)
    return Answer(completion.text, completion.finish_reason, completion.completion_tokens)


@pytest_asyncio.fixture
async def double() -> AsyncIterator[tuple[str, EngineDouble]]:
    engine = EngineDouble()
    async with serving(engine) as url:
        yield url, engine


@pytest.mark.parametrize("params", PARAMS)
async def test_requests_to_tgi(double: tuple[str, EngineDouble], params: SamplingParams) -> None:
    url, seen = double
    ours, theirs = await our_answer("tgi", url, "", params), await hub_answer(url, params)
    assert seen.requests[0] == seen.requests[1]
    assert ours.completion_tokens == theirs.completion_tokens


@pytest.mark.parametrize("params", PARAMS)
async def test_requests_to_openai(double: tuple[str, EngineDouble], params: SamplingParams) -> None:
    url, seen = double
    ours = await our_answer("openai", url, "double", params)
    theirs = await openai_answer(url, "double", params)
    assert seen.requests[0] == seen.requests[1]
    assert ours.completion_tokens == theirs.completion_tokens


@pytest.mark.model
@pytest.mark.parametrize("params", PARAMS)
async def test_answers_of_the_real_server_as_tgi(model_server: str, params: SamplingParams) -> None:
    ours = await our_answer("tgi", model_server, "", params)
    theirs = await hub_answer(model_server, params)
    assert theirs.text.startswith(ours.text), "ours ends before the stop sequence"
    assert (ours.finish_reason, ours.completion_tokens) == (
        theirs.finish_reason,
        theirs.completion_tokens,
    )


@pytest.mark.model
@pytest.mark.parametrize("params", PARAMS)
async def test_answers_of_the_real_server_as_openai(
    model_server: str, params: SamplingParams
) -> None:
    ours = await our_answer("openai", model_server, "smollm2-135m", params)
    theirs = await openai_answer(model_server, "smollm2-135m", params)
    assert theirs.text.startswith(ours.text), "ours ends before the stop sequence"
    assert ours.completion_tokens == theirs.completion_tokens


@pytest.mark.model
@pytest.mark.parametrize("stream", [False, True])
async def test_a_chat_over_openai_is_the_template_and_then_generate(
    stream: bool, model_server: str, small_model: Path
) -> None:
    """Rendered by transformers, asked over TGI's own route, against one call of the chat API."""
    from transformers import AutoTokenizer

    messages: Any = [{"role": "user", "content": "Name three colours of the rainbow."}]
    tokenizer: Any = AutoTokenizer.from_pretrained(small_model)
    prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    params = SamplingParams(max_new_tokens=40)
    async with connected("tgi", model_server, "") as engine:
        expected = await engine.generate(prompt, params, seed=SEED, deadline_s=60.0)
    async with AsyncOpenAI(base_url=f"{model_server}/v1", api_key="unused") as client:
        asked: Any = {
            "model": "smollm2-135m",
            "messages": messages,
            "max_tokens": params.max_new_tokens,
            "temperature": 0,
        }
        if stream:
            asked |= {"stream": True, "stream_options": {"include_usage": True}}
            chunks = [chunk async for chunk in await client.chat.completions.create(**asked)]
            usage = chunks.pop().usage
            text = "".join(chunk.choices[0].delta.content for chunk in chunks)
            reason = chunks[-1].choices[0].finish_reason
        else:
            answer = await client.chat.completions.create(**asked)
            text, usage = answer.choices[0].message.content, answer.usage
            reason = answer.choices[0].finish_reason
    assert text == expected.text
    assert reason == ("length" if expected.finish_reason == "length" else "stop")
    assert usage.completion_tokens == expected.completion_tokens
    assert usage.prompt_tokens == len(tokenizer(prompt, add_special_tokens=False)["input_ids"])


@pytest.mark.model
async def test_openais_client_understands_what_is_refused(model_server: str) -> None:
    async with AsyncOpenAI(
        base_url=f"{model_server}/v1", api_key="unused", max_retries=0
    ) as client:
        with pytest.raises(UnprocessableEntityError) as refused:
            await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "Hello"}], top_p=2.0
            )
    assert "`top_p` must be > 0.0 and < 1.0" in refused.value.response.text


@pytest.mark.model
async def test_what_the_real_server_says_of_itself(model_server: str) -> None:
    client = AsyncInferenceClient(model_server, provider="hf-inference", token="unused")
    async with client, connected("tgi", model_server, "") as engine:
        theirs, ours = await client.get_endpoint_info(), await engine.info()
        assert await client.health_check()
    for field in ("model_id", "max_input_tokens", "max_total_tokens", "max_concurrent_requests"):
        assert getattr(ours, field) == theirs[field]
    async with AsyncOpenAI(base_url=f"{model_server}/v1", api_key="unused") as openai_client:
        models = [model.id async for model in openai_client.models.list()]
    assert [Path(model).name for model in models] == ["smollm2-135m"]
