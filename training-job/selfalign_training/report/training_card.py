"""The training card: what was trained, on what, how it went; card.md for people, card.json."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, get_args

from selfalign_training.configuration.identity import config_digest
from selfalign_training.configuration.json_types import JsonObject
from selfalign_training.configuration.places import without_machine
from selfalign_training.configuration.training_config import TrainingConfig
from selfalign_training.report.loss_curve import curve, mean, sparkline
from selfalign_training.report.markdown import show, table
from selfalign_training.report.metrics_log import StepRecord

CARD = ("card.md", "card.json")
PACKAGES = ("torch", "transformers", "trl", "peft", "deepspeed", "accelerate")
CURVE_ROWS = 10
FACTS = {
    "base_model": "Base model",
    "base_model_digest": "Base model digest (SHA-256 of configuration and weights)",
    "config_digest": "Configuration digest",
    "data_digest": "Data digest (all tokens and labels)",
    "method": "Method",
    "ranks": "Ranks",
    "global_batch_size": "Sequences a step",
    "steps": "Optimizer steps",
    "resumed_at": "Resumed at steps",
}
TIMES = {
    "training_seconds": "Training, since the last start (s)",
    "seconds": "Whole job, since the last start (s)",
    "step_s": "Step, mean (s)",
    "tokens_per_s": "Tokens/s of all ranks, mean",
    "mfu": "MFU, mean",
    "checkpoint_s": "Checkpoint whole in the store, mean (s)",
    "checkpoint_stall_s": "Training stood still for a checkpoint, mean (s)",
}
TimeOfStep = Literal["step_s", "tokens_per_s", "mfu", "checkpoint_s", "checkpoint_stall_s"]
TIMES_OF_STEPS: tuple[TimeOfStep, ...] = get_args(TimeOfStep)
DATA = {
    "rows": "Accepted rows",
    "extra_rows": "Extra rows",
    "sequences": "Trained on",
    "dropped_empty": "Dropped, empty answer",
    "dropped_markup": "Dropped, a control token spelled out",
    "dropped_overlong": "Dropped, longer than max_length",
    "tokens": "Tokens of an epoch",
    "trained_tokens": "Of these answer, which the loss falls on",
    "tokens_trained": "Tokens of all steps",
    "padding_share": "Padding among computed tokens",
}
SETTINGS = (
    "learning_rate",
    "epochs",
    "warmup_steps",
    "scheduler",
    "max_grad_norm",
    "weight_decay",
    "micro_batch_size",
    "max_length",
    "dtype",
    "gradient_checkpointing",
    "seed",
)


def card_facts(
    config: TrainingConfig, base_model_digest: str, records: Sequence[StepRecord]
) -> dict[str, object]:
    """What the card and the manifest's details tell beside counts and losses.

    Args:
        config: The job's.
        base_model_digest: Of the base model's files.
        records: One for each logged step, those before a resume included.
    """
    return {
        "config_digest": config_digest(config),
        "base_model_digest": base_model_digest,
        "method": config.method,
        "versions": versions(),
        "resumed_at": [r["resumed_at"] for r in records if r.get("resumed_at") is not None],
        "tokens_trained": sum(record.get("tokens", 0) for record in records),
        **{name: mean(record.get(name) for record in records) for name in TIMES_OF_STEPS},
    }


def versions() -> dict[str, str]:
    """Of the packages that a training depends on, where they are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write_card(
    folder: Path,
    name: str,
    config: TrainingConfig,
    details: Mapping[str, object],
    records: Sequence[StepRecord],
) -> None:
    """Writes card.md and card.json into `folder`.

    Args:
        folder: The job's.
        name: The output's prefix.
        config: The job's.
        details: As in the manifest, card_facts among them.
        records: One for each logged step.
    """
    settings = config.model_dump(mode="json")
    portable = without_machine(settings)
    card = {"name": name, **details, "config": portable, "curve": curve(records, CURVE_ROWS)}
    (folder / CARD[1]).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    (folder / CARD[0]).write_text(render(name, settings, details, records), encoding="utf-8")


def render(
    name: str,
    settings: JsonObject,
    details: Mapping[str, object],
    records: Sequence[StepRecord],
) -> str:
    """The page of Markdown."""
    chosen = {key: settings[key] for key in SETTINGS}
    lora, versions_used = settings["lora"], details["versions"]
    assert isinstance(lora, dict)
    assert isinstance(versions_used, dict)
    if details["method"] != "full":
        chosen["lora"] = ", ".join(f"{key} {show(value)}" for key, value in lora.items())
    blocks = [
        f"# Training card: {name}",
        table(("", ""), named(details, FACTS)),
        f"## Loss\n\n`{sparkline([record['loss'] for record in records])}`",
        table(
            ("Steps", "Loss", "Gradient norm", "Learning rate"),
            [
                (point["steps"], show(point["loss"]), show(point["grad_norm"]), show(point["lr"]))
                for point in curve(records, CURVE_ROWS)
            ],
        ),
        "## Data\n\n" + table(("", ""), named(details, DATA)),
        "## Time\n\n" + table(("", ""), named(details, TIMES)),
        "## Hyper-parameters\n\n" + table(("", ""), chosen.items()),
        "## Versions\n\n" + table(("", ""), versions_used.items()),
    ]
    return "\n\n".join(blocks) + "\n"


def named(details: Mapping[str, object], names: Mapping[str, str]) -> list[tuple[str, object]]:
    """The facts that are there, under their titles."""
    return [(title, details[key]) for key, title in names.items() if key in details]
