"""The training card, and the loss curve on it."""

import json
from pathlib import Path
from typing import Any

import pytest

from selfalign_training.configuration.identity import config_digest
from selfalign_training.configuration.reading import load_config
from selfalign_training.report.loss_curve import curve, runs, sparkline
from selfalign_training.report.markdown import show, table
from selfalign_training.report.metrics_log import StepRecord
from selfalign_training.report.training_card import card_facts, write_card
from support.training_data import step_record


def records(count: int) -> list[StepRecord]:
    found = [step_record(step, 2.0 / step, count) for step in range(1, count + 1)]
    for record in found:
        if record["step"] == 1:
            record["grad_norm"] = None
        if record["step"] == 13:
            record["resumed_at"] = 12
    return found


def test_the_card_tells_what_where_and_how(config_file: Path, tmp_path: Path) -> None:
    config = load_config(config_file)
    facts = card_facts(config, "b1", records(25))
    assert facts["resumed_at"] == [12]
    assert facts["tokens_trained"] == 2500
    assert (facts["tokens_per_s"], facts["mfu"]) == (50.0, None)
    versions = facts["versions"]
    assert isinstance(versions, dict)
    assert versions["deepspeed"]
    counts = {"rows": 9, "sequences": 8, "dropped_empty": 1, "tokens": 1234, "ranks": 2}
    details = {**facts, **counts, "base_model": "a|b", "data_digest": "d1", "steps": 25}
    write_card(tmp_path, "demo/engrave", config, details, records(25))
    text = (tmp_path / "card.md").read_text()
    for line in (
        "# Training card: demo/engrave",
        "| Base model | a\\|b |",
        "| Base model digest (SHA-256 of configuration and weights) | b1 |",
        f"| Configuration digest | {config_digest(config)} |",
        "| Data digest (all tokens and labels) | d1 |",
        "| Resumed at steps | 12 |",
        "| 1-2 | 1.5 | 0.5 | 0.001 |",
        "| Tokens of an epoch | 1,234 |",
        "| MFU, mean | – |",
        "| lora | r 16, alpha 16, dropout 0.05, targets q_proj k_proj v_proj o_proj |",
        f"| deepspeed | {versions['deepspeed']} |",
    ):
        assert line in text.splitlines()
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["config"]["learning_rate"] == config.learning_rate
    assert len(card["curve"]) == 10


@pytest.mark.parametrize("count", [1, 3, 10, 11, 1000])
def test_the_curve_holds_every_step_once(count: int) -> None:
    points = curve(records(count), 10)
    assert len(points) == min(10, count)
    assert points[0]["steps"].split("-")[0] == "1"
    assert points[-1]["steps"].split("-")[-1] == str(count)
    assert sum(map(len, runs(range(count), 10))) == count


@pytest.mark.parametrize(
    ("losses", "line"),
    [([1.0], "▁"), ([2.0, 2.0], "▁▁"), ([8.0, 4.5, 1.0], "█▅▁"), ([1.0, 1e6], "▁█")],
)
def test_the_sparkline(losses: list[float], line: str) -> None:
    assert sparkline(losses) == line
    assert len(sparkline(losses * 100)) == 48


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        ([], "–"),
        (True, "yes"),
        (1234567, "1,234,567"),
        (0.00012345, "0.0001234"),
        ("a|b", "a\\|b"),
        (("x", 1), "x 1"),
    ],
)
def test_values_for_people(value: Any, text: str) -> None:
    assert show(value) == text
    assert table(("a",), [(value,)]).splitlines()[-1] == f"| {text} |"
