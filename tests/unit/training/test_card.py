"""The training card and the digests on it."""

import json
from pathlib import Path
from typing import Any

import pytest

from selfalign_training.card import card_facts, write_card
from selfalign_training.curve import curve, runs, sparkline
from selfalign_training.digests import config_digest, model_digest
from selfalign_training.load import load_config
from selfalign_training.markdown import show, table


def records(count: int) -> list[dict[str, Any]]:
    return [
        {
            "step": step,
            "steps": count,
            "loss": 2.0 / step,
            "grad_norm": None if step == 1 else 0.5,
            "learning_rate": 1e-3,
            "tokens": 100,
            "tokens_per_s": 50.0,
            "step_s": 2.0,
            "mfu": None,
            "resumed_at": 12 if step == 13 else None,
        }
        for step in range(1, count + 1)
    ]


def test_the_card_tells_what_where_and_how(config_file: Path, tmp_path: Path) -> None:
    config = load_config(config_file)
    facts = card_facts(config, Path(config.base_model), records(25))
    assert facts["resumed_at"] == [12]
    assert facts["tokens_trained"] == 2500
    assert (facts["tokens_per_s"], facts["mfu"]) == (50.0, None)
    assert facts["versions"]["deepspeed"]
    counts = {"rows": 9, "sequences": 8, "dropped_empty": 1, "tokens": 1234, "ranks": 2}
    details = {**facts, **counts, "base_model": "a|b", "data_digest": "d1", "steps": 25}
    write_card(tmp_path, "demo/engrave", config, details, records(25))
    text = (tmp_path / "card.md").read_text()
    for line in (
        "# Training card: demo/engrave",
        "| Base model | a\\|b |",
        f"| Configuration digest | {config_digest(config)} |",
        "| Data digest (all tokens and labels) | d1 |",
        "| Resumed at steps | 12 |",
        "| 1-2 | 1.5 | 0.5 | 0.001 |",
        "| Tokens of an epoch | 1,234 |",
        "| MFU, mean | – |",
        "| lora | r 16, alpha 16, dropout 0.05, targets q_proj k_proj v_proj o_proj |",
        f"| deepspeed | {facts['versions']['deepspeed']} |",
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


def test_digests_follow_the_contents(tmp_path: Path, config_file: Path) -> None:
    config = load_config(config_file)
    moved = config.model_copy(update={"work_dir": Path("/elsewhere"), "metrics_port": 9400})
    other = config.model_copy(update={"seed": config.seed + 1})
    assert config_digest(moved) == config_digest(config) != config_digest(other)

    (tmp_path / "config.json").write_text("{}")
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"one")
    first = model_digest(tmp_path)
    (tmp_path / "README.md").write_text("says nothing")
    assert model_digest(tmp_path) == first
    weights.write_bytes(b"two")
    assert model_digest(tmp_path) != first
