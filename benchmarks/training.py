"""Packing against padding, and what the trainer costs, on the rows of a finished demo run.

    python benchmarks/training.py [--run runs/demo] [--rounds 2] [--steps N]

One rank trains LoRA on the small real model with the run's accepted answers, as a job does it
(TRL's trainer on DeepSpeed ZeRO-2), in three layouts with the same rows a step at most:
  packed    rows share sequences of 512 tokens, best fit first; attention keeps them apart
  padded    every row is padded to 512 tokens
  grouped   rows of like length share a step and are padded to its longest: the default on a CPU
and beside it a bare loop over the packed batches: the same peft model in the job's dtype and
AdamW in plain PyTorch, no trainer, no DeepSpeed, no checkpoints. The rounds take turns, so that
other work on the machine meets all alike; each figure is the best round's. Tokens are the rows'
own, padding left out; a layout's first step, which warms up, is not counted.
Wall and CPU time of the steps.
--steps ends a round early: padding is then that of the few rows seen, not of the whole epoch.
"""

import argparse
import contextlib
import gc
import io
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from selfalign.constitution.render import student_layout
from selfalign.constitution.yaml_file import load_constitution
from selfalign_training.configuration.precision import with_precision
from selfalign_training.configuration.training_config import TrainingConfig
from selfalign_training.launch.environment import cores, prepare_environment, stand_alone

MAX_LENGTH = 512
LAYOUTS = ("packed", "padded", "grouped")
Batch = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Round:
    """One epoch in a layout, its first step left out."""

    tokens: int
    """The rows' own."""
    computed: int
    wall_s: float
    cpu_s: float
    first_loss: float


class Recorder:
    """Batches and times of the steps of a job that runs in this process."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.times: list[tuple[float, float]] = []
        self.losses: list[float] = []
        self._begun = (0.0, 0.0)

    def round(self) -> Round:
        """What was recorded."""
        counted = self.batches[1:]
        wall, cpu = (sum(kind) for kind in zip(*self.times[1:], strict=True))
        return Round(
            tokens=sum(map(own_tokens, counted)),
            computed=sum(int(batch["input_ids"].numel()) for batch in counted),
            wall_s=wall,
            cpu_s=cpu,
            first_loss=self.losses[0],
        )

    def keep(self, batch: Batch) -> None:
        """Takes a copy of a batch, without what only the trainer reads."""
        self.batches.append(
            {
                name: value.clone() if hasattr(value, "clone") else value
                for name, value in batch.items()
                if name != "rows"
            }
        )

    def begin(self) -> None:
        """A step begins."""
        self._begun = (time.perf_counter(), time.process_time())

    def end(self) -> None:
        """A step ends; CPU seconds are those of all threads."""
        wall, cpu = self._begun
        self.times.append((time.perf_counter() - wall, time.process_time() - cpu))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/demo"), help="a finished run")
    parser.add_argument("--model", type=Path, default=Path(".cache/models/smollm2-135m"))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=-1, help="a quick look")
    arguments = parser.parse_args()
    if not (arguments.run / "align/manifest.json").is_file():
        parser.error(f"--run: {arguments.run} has no finished stage align; `make demo` makes one")
    prepare_environment()
    os.environ.setdefault("OMP_NUM_THREADS", str(cores()))
    stand_alone()
    keep_process_group()
    rounds: dict[str, list[Round]] = {name: [] for name in (*LAYOUTS, "bare loop")}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds):
            packed: list[Batch] = []
            for layout in LAYOUTS:
                place = Path(folder, f"{layout}-{number}")
                config = job(arguments.run, arguments.model, place, layout)
                recorder = train(config, layout, arguments.steps)
                # Trainer and engine know each other: only the collector ends them.
                gc.collect()
                rounds[layout].append(recorder.round())
                packed = packed or recorder.batches
            config = job(arguments.run, arguments.model, Path(folder), "packed")
            rounds["bare loop"].append(bare_loop(config, packed))
    print_table(rounds)


def job(run: Path, model: Path, place: Path, layout: str) -> TrainingConfig:
    """The run's own layout; two sequences a step, so that a few dozen rows have steps to count."""
    layout_texts = student_layout(load_constitution())
    return TrainingConfig.model_validate(
        {
            "base_model": str(model),
            "data": {"store": str(run.parent), "stage_prefix": f"{run.name}/align"},
            "output": {"store": str(place), "prefix": "output"},
            "layout": {
                "meta_prompts": list(layout_texts.meta_prompts[:1]),
                "user_header": layout_texts.user_header,
                "assistant_header": layout_texts.assistant_header,
                "end_marker": layout_texts.end_marker,
            },
            "learning_rate": 1e-4,
            "epochs": 1,
            "global_batch_size": 2,
            "micro_batch_size": 2,
            "max_length": MAX_LENGTH,
            "packing": layout == "packed",
            "save_steps": 1_000_000,
            "work_dir": str(place / "work"),
        }
    )


def keep_process_group() -> None:
    """Jobs of one process share it: DeepSpeed does not let go of a group that it has seen."""
    from selfalign_training.launch.environment import choose_accelerator

    choose_accelerator()
    from selfalign_training.trainer.session import Session

    Session.close = lambda self: None  # type: ignore[method-assign]


def train(config: TrainingConfig, layout: str, steps: int) -> Recorder:
    """Runs a whole job in this process, of at most `steps` if not -1, and records its steps."""
    import selfalign_training.trainer.reporting as reporting
    import selfalign_training.trainer.session as session
    from selfalign_training.trainer.arguments import trainer_arguments
    from selfalign_training.trainer.engraving_trainer import EngravingTrainer
    from selfalign_training.trainer.run_job import run_job
    from selfalign_training.trainer.step_report import ProgressCallback

    recorder = Recorder()

    class Trainer(EngravingTrainer):
        def training_step(self, model: Any, inputs: Batch, *rest: Any) -> Any:  # noqa: ANN401
            recorder.keep(inputs)
            recorder.begin()
            loss = super().training_step(model, inputs, *rest)
            recorder.losses.append(float(loss))
            return loss

    class Progress(ProgressCallback):
        def on_step_end(self, *values: Any, **options: Any) -> None:  # noqa: ANN401
            recorder.end()
            super().on_step_end(*values, **options)

    def arguments(*values: Any, **options: Any) -> Any:  # noqa: ANN401
        made = trainer_arguments(*values, **options)
        made.max_steps = steps
        made.pad_to_multiple_of = MAX_LENGTH if layout == "padded" else None
        return made

    with (
        patch.multiple(
            session,
            EngravingTrainer=Trainer,
            trainer_arguments=arguments,
        ),
        patch.object(reporting, "ProgressCallback", Progress),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        run_job(config)
    return recorder


def bare_loop(config: TrainingConfig, batches: list[Batch]) -> Round:
    """PyTorch alone on batches that the trainer saw."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from selfalign_training.model.base_model import DTYPES

    torch.manual_seed(config.seed)
    base: Any = AutoModelForCausalLM.from_pretrained(
        config.base_model,
        dtype=DTYPES[with_precision(config).dtype],
        attn_implementation="sdpa",
    )
    lora = LoraConfig(
        r=config.lora.r,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=list(config.lora.targets),
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(base, lora, autocast_adapter_dtype=False).train()
    trained = [item for item in model.parameters() if item.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=config.learning_rate, weight_decay=0.0)
    recorder = Recorder()
    recorder.batches = batches
    for batch in batches:
        recorder.begin()
        loss = model(**batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, config.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        recorder.end()
        recorder.losses.append(float(loss.detach()))
    return recorder.round()


def own_tokens(batch: Batch) -> int:
    """Tokens of a batch that are no padding."""
    mask = batch.get("attention_mask")
    return int(batch["input_ids"].numel() if mask is None else mask.sum())


def print_table(rounds: dict[str, list[Round]]) -> None:
    print(
        f"{'layout':<11} {'tokens':>7} {'padding':>8} {'tokens/s':>9} {'all rounds':>16} "
        f"{'CPU ms/token':>13} {'all rounds':>16}"
    )
    for name, found in rounds.items():
        rates = [each.tokens / each.wall_s for each in found]
        costs = [1000 * each.cpu_s / each.tokens for each in found]
        first = found[0]
        print(
            f"{name:<11} {first.tokens:>7} {1 - first.tokens / first.computed:>8.1%} "
            f"{max(rates):>9.0f} {spread(rates, '.0f'):>16} {min(costs):>13.2f} "
            f"{spread(costs, '.2f'):>16}"
        )
    best = {name: min(each.cpu_s / each.tokens for each in found) for name, found in rounds.items()}
    wall = {
        name: min(each.wall_s / each.tokens for each in found) for name, found in rounds.items()
    }
    for name in ("packed", "grouped"):
        print(
            f"{name} against padded to {MAX_LENGTH}: {wall['padded'] / wall[name]:.2f}x tokens/s, "
            f"{best['padded'] / best[name]:.2f}x by CPU time"
        )
    print(
        f"trainer and DeepSpeed over the bare loop, packed: "
        f"{wall['packed'] / wall['bare loop'] - 1:+.1%} wall, "
        f"{best['packed'] / best['bare loop'] - 1:+.1%} CPU; loss of the first batch "
        f"{rounds['packed'][0].first_loss:.4f} and {rounds['bare loop'][0].first_loss:.4f}"
    )


def spread(values: list[float], form: str) -> str:
    return " ".join(format(value, form) for value in values)


if __name__ == "__main__":
    main()
