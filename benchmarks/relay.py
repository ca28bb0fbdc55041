"""CPU time of a row through worker and principle-engine around an engine that answers at once.

    python benchmarks/relay.py [--rows 2000]

Prints CPU milliseconds a row of both processes together and rows/s, at 1, 64 and 256 in flight,
beside loops over the engine alone in the same run: our engine clients, huggingface_hub's and
openai's as they are shipped, and aiohttp with the answer decoded.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import aiohttp
import psutil
import yaml
from huggingface_hub import AsyncInferenceClient
from openai import AsyncOpenAI

from selfalign.constitution.render import (
    render_answer_cue,
    render_prefix,
    render_query,
    render_thoughts,
)
from selfalign.constitution.yaml_file import load_constitution
from selfalign.inference.client.build import build_engine
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.pipeline.run.run import create_or_resume, dump_config
from selfalign.pipeline.run.run_file import parse_run_config
from selfalign.settings.sampling import SamplingParams
from selfalign.storage.open import open_store
from selfalign.storage.rows import Row, RowStatus, prompt_id
from selfalign.storage.tables import create_part, part_name
from selfalign.telemetry.metrics import Metrics

REPOSITORY = Path(__file__).resolve().parents[1]
IN_FLIGHT = (1, 64, 256)
BODY = "Keep related notes together, give each a clear title, and review them every week. " * 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        double, url = start_double(arguments.delay_ms)
        try:
            lines = [measure(Path(folder), url, arguments.rows, depth) for depth in IN_FLIGHT]
        finally:
            double.terminate()
            double.wait()
    print(f"{'in flight':>10} {'program':<34} {'CPU ms/row':>10} {'rows/s':>8}")
    for line in lines:
        for depth, program, milliseconds, rate in line:
            print(f"{depth:>10} {program:<34} {milliseconds:>10.2f} {rate:>8.0f}")


Line = tuple[int, str, float, float]


def measure(folder: Path, url: str, rows: int, depth: int) -> list[Line]:
    """Worker and service, then the bare loops, at one depth."""
    ours, seconds, parts = relay(folder / str(depth), url, rows, depth)
    line: list[Line] = [(depth, "worker + principle-engine", 1e3 * ours / rows, rows / seconds)]
    line += [(depth, f"  of it {name}", 1e3 * cpu / rows, rows / seconds) for name, cpu in parts]
    for name, loop in (
        ("our TGI client alone", partial(our_client, "tgi")),
        ("huggingface_hub as shipped, alone", hub_client),
        ("aiohttp + json, alone", bare_aiohttp),
        ("our OpenAI client alone", partial(our_client, "openai")),
        ("openai as shipped, alone", openai_client),
    ):
        before, started = cpu_self(), time.perf_counter()
        asyncio.run(loop(url, rows, depth))
        cpu, wall = cpu_self() - before, time.perf_counter() - started
        line.append((depth, name, 1e3 * cpu / rows, rows / wall))
    return line


def relay(
    folder: Path, url: str, rows: int, depth: int
) -> tuple[float, float, list[tuple[str, float]]]:
    """(CPU seconds of worker and service, wall seconds, the share of each)."""
    config = make_run(folder, rows, depth)
    serve = [sys.executable, "-m", "selfalign.cli", "serve", "principle-engine"]
    serve += ["--config", str(config), "--engine-url", url, "--host", "127.0.0.1", "--port", "0"]
    with (folder / "service.log").open("wb") as log:
        service = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        target = ready_address(service)
        run_worker(config, target, "--attempt 2")  # warms the file cache
        before = cpu_of(service.pid)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        idle = run_worker(config, target, "--attempt 2")
        after_idle = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        run_worker(config, target, "")
        wall = time.perf_counter() - started - idle
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        served = cpu_of(service.pid) - before
    finally:
        service.terminate()
        service.wait()
    # A worker with nothing to do shows what start-up costs; the rest is the rows'.
    worker = cpu_used(after_idle, after) - cpu_used(children, after_idle)
    return worker + served, wall, [("worker", worker), ("principle-engine", served)]


def run_worker(config: Path, target: str, options: str) -> float:
    """Runs a worker on `align` to its end; returns its wall seconds."""
    command = [sys.executable, "-m", "selfalign.cli", "worker", "--config", str(config)]
    command += ["--stage", "align", "--target", target, *options.split()]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def make_run(folder: Path, rows: int, depth: int) -> Path:
    """A run whose `prompts` stage is done, in a folder; returns the path of its configuration."""
    folder.mkdir()
    settings = {
        "name": "relay",
        "store": str(folder),
        "model": {"base": "double"},
        "evaluate": {"held_out": 0},
        "engine": {"max_concurrency": depth},
        "align": {"max_in_flight": depth},
    }
    config = parse_run_config(yaml.safe_dump(settings), "benchmark")
    run, _ = create_or_resume(open_store(config.store), config)
    prompts = [f"Explain how to keep note number {number} in good order." for number in range(rows)]
    table = [
        Row(
            row_id=prompt_id(text),
            prompt_id=prompt_id(text),
            status=RowStatus.ACCEPTED,
            instruction=text,
        )
        for text in prompts
    ]
    create_part(run.store, f"{run.prefix('prompts')}/{part_name(0)}", table)
    path = folder / "config.yaml"
    path.write_text(dump_config(config))
    return path


def answer() -> str:
    """A completion under the built-in constitution, up to the next turn."""
    c = load_constitution()
    thoughts = render_thoughts(c, "Order saves time when notes are looked for.", (2, 3))
    return f"{render_answer_cue(c, thoughts)} {BODY}\n\n{c.wording.user_header}"


def start_double(delay_ms: float) -> tuple["subprocess.Popen[str]", str]:
    """The engine double of the tests, answering at once (or after `delay_ms`)."""
    command = [sys.executable, "-m", "support.engine_double", "--port", "0"]
    command += ["--delay-ms", str(delay_ms), "--answer", answer()]
    process = subprocess.Popen(command, cwd=REPOSITORY / "tests", stdout=subprocess.PIPE, text=True)
    return process, f"http://{ready_address(process)}"


def ready_address(process: "subprocess.Popen[str]") -> str:
    """Waits for the event that names the address."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            event = json.loads(line)
            if event.get("event") == "ready":
                return str(event["address"])
    raise SystemExit(f"a server did not start: exit code {process.wait()}")


def request_prompt() -> str:
    constitution = load_constitution()
    return render_prefix(constitution) + render_query(constitution, "Explain notes.", "")


async def our_client(kind: str, url: str, rows: int, depth: int) -> None:
    """Our engine client, with retries and admission."""
    settings = EngineSettings(kind=kind, url=url, model="double", max_concurrency=depth)
    engine = build_engine(settings, Metrics())
    prompt, params = request_prompt(), SamplingParams(max_new_tokens=256, temperature=0.5)
    try:
        await spread(rows, depth, lambda: engine.generate(prompt, params, seed=1, deadline_s=60.0))
    finally:
        await engine.close()


async def hub_client(url: str, rows: int, depth: int) -> None:
    """AsyncInferenceClient with details, as its documentation shows it."""
    prompt, sampling = request_prompt(), {"max_new_tokens": 256, "temperature": 0.5, "seed": 1}
    async with AsyncInferenceClient(f"{url}/generate", timeout=60.0) as client:
        ask = partial(client.text_generation, prompt, details=True, **sampling)
        await spread(rows, depth, ask)


async def openai_client(url: str, rows: int, depth: int) -> None:
    """AsyncOpenAI, as its documentation shows it."""
    request = {"model": "double", "max_tokens": 256, "temperature": 0.5, "seed": 1}
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", timeout=60.0) as client:
        ask = partial(client.completions.create, prompt=request_prompt(), **request)
        await spread(rows, depth, ask)


async def bare_aiohttp(url: str, rows: int, depth: int) -> None:
    """A plain POST of the same request, its answer decoded."""
    body = {
        "inputs": request_prompt(),
        "parameters": {"max_new_tokens": 256, "temperature": 0.5, "details": True, "seed": 1},
    }

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def post() -> None:
            async with session.post(f"{url}/generate", json=body) as response:
                await response.json()

        await spread(rows, depth, post)


async def spread(rows: int, depth: int, call: Callable[[], Awaitable[object]]) -> None:
    """Runs `call` `rows` times, `depth` at once, without a barrier between batches."""
    left = iter(range(rows))

    async def lane() -> None:
        for _ in left:
            await call()

    await asyncio.gather(*(lane() for _ in range(depth)))


def cpu_of(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def cpu_self() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def cpu_used(before: resource.struct_rusage, after: resource.struct_rusage) -> float:
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
