"""The server as a process: ready line, exit codes, draining, real clients."""

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from huggingface_hub import InferenceClient

from support.model_server_process import ModelServerProcess
from support.tiny_llama import save_tiny_llama

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    save_tiny_llama(folder)
    return folder


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "selfalign.model_server", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)


def test_exit_codes(tmp_path: Path, tiny_folder: Path) -> None:
    missing = run("--model", str(tmp_path / "nowhere"), "--port", "0")
    assert missing.returncode == 66
    assert "no such folder" in missing.stderr
    assert "Traceback" not in missing.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        busy = run("--model", str(tiny_folder), "--port", str(port))
    assert busy.returncode == 71
    assert str(port) in busy.stderr
    assert "Traceback" not in busy.stderr
    wrong = run("--model", str(tiny_folder), "--slots", "0")
    assert wrong.returncode == 64
    assert "--slots 0" in wrong.stderr
    assert run("--model", str(tiny_folder), "--max-total-tokens", "9999").returncode == 66


async def refused(url: str) -> None:
    """Waits until the server takes no new connections."""
    async with asyncio.timeout(20):
        while True:
            try:
                async with aiohttp.ClientSession(url) as session, session.get("/health"):
                    await asyncio.sleep(0.01)
            except aiohttp.ClientConnectorError:
                return


async def test_sigterm_drains(tiny_folder: Path) -> None:
    with ModelServerProcess(tiny_folder) as server:
        assert json.loads(server.ready_line).keys() == {"event", "address"}
        body: dict[str, Any] = {"inputs": "abc", "parameters": {"max_new_tokens": 800}}
        body["parameters"] |= {"do_sample": True, "seed": 3, "temperature": 5.0, "details": True}
        async with (
            aiohttp.ClientSession(server.url) as session,
            session.post("/generate_stream", json=body) as response,
        ):
            await response.content.readline()
            server.terminate()
            await refused(server.url)
            text = (await response.read()).decode()
        last = json.loads(text.strip().split("\n\n")[-1].removeprefix("data: "))
        assert last["details"]["finish_reason"] in ("length", "eos_token")
        code = await asyncio.to_thread(server.process.wait, 30)
        assert code == 0
        assert server.process.stdout is not None
        assert server.process.stdout.read() == ""


@pytest.mark.model
def test_the_usual_client_works(model_server: str) -> None:
    client = InferenceClient(base_url=model_server)
    prompt = "The capital of France is"
    details = client.text_generation(
        prompt, max_new_tokens=4, details=True, return_full_text=False, top_n_tokens=2
    )
    assert details.generated_text == " Paris.\n\n"
    assert details.details is not None
    assert len(details.details.tokens) == 4
    stream = client.text_generation(prompt, max_new_tokens=4, stream=True)
    assert "".join(stream) == " Paris.\n\n"
