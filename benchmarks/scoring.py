"""Scores of given answers: the model server's /score, decoder_input_details, transformers.

Prompts of about 60 tokens, answers of about 100, at most 64 in flight; the server is a real process
and is asked through our engine client. All three score the same texts in the same run.
Run: python benchmarks/scoring.py --model .cache/models/smollm2-135m [--requests 64] [--batch 8]
"""

import argparse
import asyncio
import os
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from selfalign.inference.client.build import build_engine
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.inference.client.http_engine import HttpEngine
from selfalign.inference.dialects.tgi import TgiDialect
from selfalign.telemetry.metrics import Metrics
from support.model_server_process import ModelServerProcess

WORDS = (
    *("garden", "bread", "river", "map", "clock", "owl", "bridge", "lamp", "train", "violin"),
    *("the", "of", "in", "and", "grows", "turns", "keeps", "before", "after", "because", "small"),
)
IN_FLIGHT = 64
DEADLINE_S = 3600.0
Pair = tuple[str, str]


class DetailsDialect(TgiDialect):
    """TGI's own API alone."""

    def score_all(self, prompt: str, continuations: Sequence[str]) -> None:
        return None


def make_pairs(count: int) -> list[Pair]:
    """Prompts and answers, no two alike."""
    rng = random.Random(1)

    def words(number: int) -> str:
        return " ".join(rng.choices(WORDS, k=number))

    return [(f"Question: {words(52)}?\nAnswer:", f" {words(95)}.") for _ in range(count)]


async def ask_all(engine: HttpEngine, pairs: list[Pair]) -> list[float]:
    scores = await asyncio.gather(
        *(engine.score(prompt, [answer], deadline_s=DEADLINE_S) for prompt, answer in pairs)
    )
    return [one.logprob for (one,) in scores]


async def measure_server(
    url: str, dialect: type[TgiDialect], pairs: list[Pair]
) -> tuple[float, list[float]]:
    """Seconds and log-probabilities."""
    settings = EngineSettings(url=url, max_concurrency=IN_FLIGHT)
    engine = build_engine(settings, Metrics())
    assert isinstance(engine, HttpEngine)
    engine._dialect = dialect(settings.target())
    try:
        await ask_all(engine, [("Warm", " up")])
        began = time.perf_counter()
        found = await ask_all(engine, pairs)
        return time.perf_counter() - began, found
    finally:
        await engine.close()


def measure_transformers(
    folder: Path, pairs: list[Pair], batch: int, dtype: torch.dtype
) -> tuple[float, list[float]]:
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    found: list[float] = []
    began = time.perf_counter()
    for start in range(0, len(pairs), batch):
        part = pairs[start : start + batch]
        inputs = tokenizer([p + a for p, a in part], return_tensors="pt", padding=True)
        with torch.inference_mode():
            logits = model(**inputs).logits[:, :-1].float()
            scores = torch.log_softmax(logits, -1).gather(2, inputs.input_ids[:, 1:, None])[..., 0]
        for row, (prompt, _) in enumerate(part):
            first = len(tokenizer(prompt).input_ids)
            last = int(inputs.attention_mask[row].sum())
            found.append(float(scores[row, first - 1 : last - 1].sum()))
    return time.perf_counter() - began, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8, help="of transformers")
    parser.add_argument("--dtype", choices=("bf16", "fp32"), default="bf16")
    options = parser.parse_args()
    pairs = make_pairs(options.requests)
    dtype = torch.bfloat16 if options.dtype == "bf16" else torch.float32
    runs: dict[str, tuple[float, list[float]]] = {}
    with ModelServerProcess(options.model, "--dtype", options.dtype) as server:
        ways: dict[str, type[TgiDialect]] = {
            "decoder_input_details": DetailsDialect,
            "/score": TgiDialect,
        }
        for name, dialect in ways.items():
            runs[name] = asyncio.run(measure_server(server.url, dialect, pairs))
    runs[f"transformers, batches of {options.batch}"] = measure_transformers(
        options.model, pairs, options.batch, dtype
    )
    *_, (_, truth) = runs.values()
    load = os.getloadavg()[0]
    print(f"{len(pairs)} scores, {options.dtype}, load {load:.1f} on {os.cpu_count()} cores")
    print(f"{'way':28} {'wall s':>8} {'scores/s':>9} {'most off, nats':>15}")
    for name, (seconds, found) in runs.items():
        off = max(abs(one - other) for one, other in zip(found, truth, strict=True))
        print(f"{name:28} {seconds:8.1f} {len(found) / seconds:9.2f} {off:15.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
