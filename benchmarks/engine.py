"""The model server against transformers' batched generate, on the principle engine's load.

64 requests with one shared prefix of more than 1,600 tokens, about 30 tokens of their own and up
to 128 new ones; the server is a real process and is asked over HTTP. Both compute
in the format that this processor is faster in.
Run: python benchmarks/engine.py --model .cache/models/smollm2-135m [--requests 64] [--batch 8]
"""

import argparse
import asyncio
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import aiohttp
import psutil
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from selfalign.model_server.transformer.number_format import number_format
from support.model_server_process import ModelServerProcess

SUBJECTS = (
    "a garden",
    "the tides",
    "a bicycle",
    "old maps",
    "bread",
    "a violin",
    "bridges",
    "owls",
)
LINE = "{n}. Notes on {subject}: what it is, what it is for, and what people often get wrong. "


@dataclass(frozen=True)
class Measured:
    """One engine's run."""

    name: str
    tokens: int
    wall_s: float
    cpu_s: float


def make_prompts(count: int, folder: Path, length: int = 1640) -> list[str]:
    """Prompts that share their first `length` tokens."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    lines = "".join(LINE.format(n=n, subject=SUBJECTS[n % 8]) for n in range(1, 120))
    ids = tokenizer(lines, add_special_tokens=False).input_ids[:length]
    shared = tokenizer.decode(ids)
    question = (
        "\n\nQuestion {n}: what should somebody know about {subject} before trying it, "
        "and why?\nAnswer:"
    )
    return [shared + question.format(n=n, subject=SUBJECTS[n % 8]) for n in range(count)]


async def ask_all(url: str, prompts: list[str], new_tokens: int) -> int:
    """All requests at once; returns the number of generated tokens."""
    parameters = {"max_new_tokens": new_tokens, "details": True}

    async def ask(session: aiohttp.ClientSession, prompt: str) -> int:
        body = {"inputs": prompt, "parameters": parameters}
        async with session.post("/generate", json=body) as response:
            response.raise_for_status()
            answer = await response.json()
            return int(answer["details"]["generated_tokens"])

    timeout = aiohttp.ClientTimeout(3600)
    async with aiohttp.ClientSession(url, timeout=timeout) as session:
        return sum(await asyncio.gather(*(ask(session, prompt) for prompt in prompts)))


def measure_server(folder: Path, prompts: list[str], new_tokens: int) -> Measured:
    with ModelServerProcess(folder) as server:
        asyncio.run(ask_all(server.url, ["warm up"], 4))
        process = psutil.Process(server.process.pid)
        cpu, began = process.cpu_times(), time.perf_counter()
        tokens = asyncio.run(ask_all(server.url, prompts, new_tokens))
        wall, used = time.perf_counter() - began, process.cpu_times()
    return Measured("model-server", tokens, wall, used.user + used.system - cpu.user - cpu.system)


def measure_transformers(folder: Path, prompts: list[str], new_tokens: int, batch: int) -> Measured:
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=number_format("auto"))
    model.eval()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    cpu, began, tokens = time.process_time(), time.perf_counter(), 0
    for start in range(0, len(prompts), batch):
        inputs = tokenizer(prompts[start : start + batch], return_tensors="pt", padding=True)
        with torch.inference_mode():
            output = model.generate(**inputs, max_new_tokens=new_tokens, do_sample=False)
        new = output[:, inputs.input_ids.shape[1] :]
        # pad == eos: the first one of a row is its end, which counts; what follows is padding
        ended = (new == tokenizer.eos_token_id).cumsum(1)
        tokens += int((ended == 0).sum()) + int((ended[:, -1] > 0).sum())
    wall = time.perf_counter() - began
    return Measured(f"transformers, batches of {batch}", tokens, wall, time.process_time() - cpu)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--baseline-requests", type=int, help="fewer for transformers")
    options = parser.parse_args()
    tokenizer: Any = AutoTokenizer.from_pretrained(options.model)
    prompts = make_prompts(options.requests, options.model)
    lengths = [len(tokenizer(prompt).input_ids) for prompt in prompts]
    print(f"{len(prompts)} requests of {min(lengths)}-{max(lengths)} tokens, bf16")
    few = prompts[: options.baseline_requests or len(prompts)]
    runs = [
        measure_server(options.model, prompts, options.new_tokens),
        measure_transformers(options.model, few, options.new_tokens, options.batch),
    ]
    print(f"{'engine':28} {'tokens':>7} {'wall s':>8} {'tok/s':>7} {'tok/CPU-s':>10}")
    for run in runs:
        print(
            f"{run.name:28} {run.tokens:7} {run.wall_s:8.1f} {run.tokens / run.wall_s:7.1f} "
            f"{run.tokens / run.cpu_s:10.1f}"
        )
    ours, theirs = runs
    wall = ours.tokens / ours.wall_s / (theirs.tokens / theirs.wall_s)
    cpu = ours.tokens / ours.cpu_s / (theirs.tokens / theirs.cpu_s)
    print(f"ratio: {wall:.1f} by wall time, {cpu:.1f} by CPU time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
