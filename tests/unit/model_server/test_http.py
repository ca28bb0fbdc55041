"""The HTTP API over a tiny model: admission, keys, errors, streams, cancellation, metrics."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from selfalign.model_server.api.gate import Gate
from selfalign.model_server.api.tgi_routes import TgiRoutes
from selfalign.model_server.server_options import ModelServerSettings
from selfalign.model_server.serving import build_api, build_app
from support.tiny_llama import save_tiny_llama

Tiny = tuple[Path, Any]
Client = TestClient[Any, Any]
Serve = Callable[..., AbstractAsyncContextManager[tuple[Client, TgiRoutes]]]
ENDLESS = {"max_new_tokens": 900, "do_sample": True, "seed": 3, "temperature": 5.0}


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model without an end-of-sequence token: only its length ends a request."""
    folder = tmp_path_factory.mktemp("endless")
    save_tiny_llama(folder, eos_token_id=None)
    return str(folder)


@pytest.fixture
def serve(tiny: Tiny) -> Serve:
    @asynccontextmanager
    async def start(**settings: Any) -> AsyncIterator[tuple[Client, TgiRoutes]]:
        settings.setdefault("model", str(tiny[0]))
        api = build_api(ModelServerSettings(dtype="fp32", **settings))
        server = TestServer(build_app(api, Gate(settings.get("api_key"))))
        await server.start_server()  # cancels handlers of clients that left
        client: Client = TestClient(server)
        try:
            yield client, api
        finally:
            await client.close()
            api.generator.engine.close()

    return start


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def events(text: str) -> list[dict[str, Any]]:
    lines = [line for line in text.split("\n\n") if line]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


async def generate(client: Client, inputs: str, **parameters: Any) -> dict[str, Any]:
    body = {"inputs": inputs, "parameters": parameters}
    async with client.post("/generate", json=body) as response:
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer


async def test_stream_and_whole_answer_agree(serve: Serve) -> None:
    async with serve() as (client, _):
        whole = await generate(client, "abc", max_new_tokens=20, details=True)
        body = {"inputs": "abc", "parameters": {"max_new_tokens": 20, "details": True}}
        async with client.post("/generate_stream", json=body) as response:
            parts = events(await response.text())
    assert [part["index"] for part in parts] == list(range(1, len(parts) + 1))
    texts = [part["token"]["text"] for part in parts if not part["token"]["special"]]
    assert "".join(texts) == whole["generated_text"] == parts[-1]["generated_text"]
    assert [part["token"] for part in parts] == whole["details"]["tokens"]


async def test_overload_is_429_and_passes(serve: Serve, endless: str) -> None:
    async with serve(model=endless, max_concurrent_requests=1) as (client, api):
        task = asyncio.create_task(generate(client, "abc", **ENDLESS))
        await until(lambda: api.generator.taken == 1)
        short = {"inputs": "x", "parameters": {"max_new_tokens": 1}}
        async with client.post("/generate", json=short) as response:
            assert response.status == 429
            error = {"error": "Model is overloaded", "error_type": "overloaded"}
            assert await response.json() == error
        async with client.post("/generate_stream", json=short) as response:
            assert response.status == 200
            assert events(await response.text()) == [error]
        async with client.get("/health") as response:
            assert response.status == 200
        task.cancel()
        await until(lambda: api.generator.taken == 0)
        await generate(client, "x", max_new_tokens=1)


@pytest.mark.parametrize("path", ["/generate", "/generate_stream", "/v1/completions"])
async def test_a_client_that_leaves_frees_its_slot(path: str, serve: Serve, endless: str) -> None:
    async with serve(model=endless, slots=1) as (client, api):
        body = {"inputs": "a", "prompt": "a", "parameters": ENDLESS, "max_tokens": 900}
        body |= {"stream": path != "/generate", "temperature": 5.0, "seed": 3}
        engine = api.generator.engine
        with pytest.raises(TimeoutError):
            async with client.post(path, json=body, timeout=aiohttp.ClientTimeout(0.2)) as answer:
                await answer.read()
        await until(lambda: engine.running == 0 and api.generator.taken == 0)
        await generate(client, "x", max_new_tokens=2)
        metrics = api.generator.metrics.render({})
    assert 'tgi_request_failure{err="dropped"} 1' in metrics


async def test_api_key(serve: Serve) -> None:
    async with serve(api_key="Secret", payload_limit=1000) as (client, _):
        good = {"authorization": "bearer secret"}
        for headers, status in (({}, 401), ({"authorization": "Bearer no"}, 401), (good, 200)):
            body = {"inputs": "x", "parameters": {"max_new_tokens": 1}}
            for path in ("/generate", "/tokenize"):
                async with client.post(path, json=body, headers=headers) as response:
                    assert response.status == status
                    assert status == 200 or await response.read() == b""
        for headers, status in (({}, 401), (good, 413)):
            body = {"inputs": "x" * 2000}
            async with client.post("/generate", json=body, headers=headers) as response:
                assert response.status == status
        for path in ("/info", "/health", "/ping", "/metrics", "/v1/models", "/"):
            async with client.get(path) as response:
                assert response.status == 200, path


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        ("{", "application/json", 400),
        ("[]", "application/json", 422),
        ('{"inputs": 3}', "application/json", 422),
        ('{"inputs": "x", "parameters": null}', "application/json", 422),
        ('{"inputs": "x", "parameters": {"seed": 1.5}}', "application/json", 422),
        (
            '{"inputs": "x", "parameters": {"temperature": null, "max_new_tokens": 1}}',
            "application/json",
            200,
        ),
        (
            '{"inputs": "x", "unknown": 1, "parameters": {"max_new_tokens": 1, "new": 2}}',
            "application/json",
            200,
        ),
        ("{}", "text/plain", 415),
    ],
)
async def test_bodies(data: str, content_type: str, status: int, serve: Serve) -> None:
    async with serve() as (client, _):
        headers = {"content-type": content_type}
        async with client.post("/generate", data=data, headers=headers) as response:
            assert response.status == status
            if status != 200:
                assert response.content_type == "text/plain"
                assert await response.text()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"typical_p": 0.5}, "`typical_p` is not supported"),
        ({"frequency_penalty": 0.5}, "`frequency_penalty` is not supported"),
        ({"watermark": True}, "`watermark` is not supported"),
        ({"grammar": {"type": "regex", "value": "a"}}, "`grammar` is not supported"),
        ({"top_n_tokens": 101}, "<= 100. Given: 101"),
        ({"stop": ["a"] * 5}, "up to 4 stop sequences. Given: 5"),
        ({"best_of": 3, "do_sample": True}, "<= 2. Given: 3"),
        ({"truncate": 1024}, "less than 1023. Given: 1024"),
        ({"max_new_tokens": 1023}, "Given: 2 `inputs` tokens and 1023 `max_new_tokens`"),
    ],
)
async def test_refused_parameters(parameters: dict[str, Any], message: str, serve: Serve) -> None:
    async with serve() as (client, api):
        body = {"inputs": "xy", "parameters": parameters}
        async with client.post("/generate", json=body) as response:
            assert response.status == 422
            answer = await response.json()
        assert answer["error"].startswith("Input validation error: ")
        assert message in answer["error"]
        assert answer["error_type"] == "validation"
        assert api.generator.taken == 0


async def test_truncate_keeps_the_end(serve: Serve) -> None:
    async with serve() as (client, _):
        cut = await generate(client, "abcdef", truncate=3, max_new_tokens=8)
        assert cut == await generate(client, "def", max_new_tokens=8)


async def test_completions_logprobs_and_batches(serve: Serve) -> None:
    async with serve() as (client, _):
        body = {"prompt": ["ab", "cd"], "max_tokens": 3, "temperature": 0, "logprobs": 2}
        async with client.post("/v1/completions", json=body) as response:
            answer = await response.json()
        native = await generate(client, "cd", max_new_tokens=3, details=True)
        async with client.post("/v1/completions", json={**body, "stream": True}) as response:
            streamed = (await response.text()).split("\n\n")
    second = answer["choices"][1]
    tokens = native["details"]["tokens"]
    assert second["text"] == native["generated_text"]
    assert second["logprobs"]["tokens"] == [token["text"] for token in tokens]
    assert second["logprobs"]["token_logprobs"] == pytest.approx(
        [token["logprob"] for token in tokens], abs=1e-3
    )
    assert streamed[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(line.removeprefix("data: ")) for line in streamed[:-2]]
    texts = [c["choices"][0]["text"] for c in chunks if c["choices"][0]["index"] == 1]
    assert "".join(texts) == second["text"]


async def test_concurrent_requests_are_batched_and_counted(serve: Serve) -> None:
    async with serve() as (client, api):
        await asyncio.gather(*(generate(client, f"{n} abc", max_new_tokens=30) for n in range(20)))
        async with client.get("/metrics") as response:
            lines = (await response.text()).splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    assert values["tgi_request_count"] == values["tgi_request_success"] == "20"
    assert values["tgi_batch_current_size"] == values["tgi_queue_size"] == "0"
    assert values["tgi_batch_current_max_tokens"] == "0"
    assert int(values["tgi_batch_max_total_tokens"]) == api.generator.engine.slots * 1024
    assert int(values['tgi_batch_inference_count{method="decode"}']) < 20 * 29 / 2
    assert values["tgi_request_generated_tokens_count"] == "20"


async def test_health_tells_that_the_engine_is_gone(serve: Serve) -> None:
    async with serve() as (client, api):
        api.generator.engine.close()
        async with client.get("/health") as response:
            assert response.status == 503
        body = {"inputs": "x", "parameters": {"max_new_tokens": 1}}
        async with client.post("/generate", json=body) as response:
            assert response.status == 424
            assert (await response.json())["error_type"] == "generation"


@pytest.mark.parametrize(
    "body",
    [
        b'{"inputs": "half a pair \\ud83d"}',
        b'{"inputs": ' + b"[" * 100_000,
        b"not json",
        b'{"inputs": "caf\xe9"}',
    ],
)
async def test_bodies_that_are_no_json_text_are_the_clients_fault(
    body: bytes, serve: Serve
) -> None:
    headers = {"content-type": "application/json"}
    async with serve() as (client, _):
        for path in ("/generate", "/tokenize"):
            async with client.post(path, data=body, headers=headers) as response:
                assert response.status == 400
                assert "as JSON" in await response.text()


async def test_a_key_that_is_no_text_is_a_wrong_key(serve: Serve) -> None:
    async with serve(api_key="secret") as (client, _):
        # aiohttp's client refuses to send such a header
        reader, writer = await asyncio.open_connection(client.host, client.port)
        head = b"POST /generate HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \xe9\r\n"
        writer.write(head + b"content-length: 2\r\nconnection: close\r\n\r\n{}")
        assert (await reader.readline()).split()[1] == b"401"
        writer.close()
        await writer.wait_closed()
