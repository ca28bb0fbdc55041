"""Bad input: the message and the exit code of each case, and nothing loaded before them."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from selfalign.errors import ModelError
from selfalign_training.__main__ import main
from selfalign_training.configuration.reading import load_config
from support.training_job import Job, MakeJob

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class Case:
    """What is wrong, and what is said of it."""

    code: int
    message: str
    changes: dict[str, Any] = field(default_factory=dict)
    ranks: str = "1"
    damage: Callable[[Job], None] = lambda job: None


def without(name: str) -> Callable[[Job], None]:
    def damage(job: Job) -> None:
        (Path(job.values["base_model"]) / name).unlink()

    return damage


def written(name: str, text: str) -> Callable[[Job], None]:
    def damage(job: Job) -> None:
        (Path(job.values["base_model"]) / name).write_text(text)

    return damage


def no_model(job: Job) -> None:
    shutil.rmtree(job.values["base_model"])


def no_rows(job: Job) -> None:
    job.values["data"]["stage_prefix"] = "run/refine"


def store_is_a_file(job: Job) -> None:
    (job.folder / "file").write_text("")
    job.values["output"]["store"] = str(job.folder / "file" / "store")


def misspelt_deepspeed_key(job: Job) -> None:
    path = job.folder / "ds.json"
    path.write_text('{"zero_optimisation": {"stage": 3}}')
    del job.values["zero_stage"]
    job.values["deepspeed_config"] = str(path)


CASES = {
    "no base model": Case(66, "base_model: there is no folder", damage=no_model),
    "no config.json": Case(66, "holds no config.json", damage=without("config.json")),
    "torn config.json": Case(
        66, "base_model: no configuration in", damage=written("config.json", '{"model_type": ')
    ),
    "unknown architecture": Case(
        66, "base_model: no configuration in", damage=written("config.json", '{"model_type": "x"}')
    ),
    "no tokenizer": Case(66, "base_model: no tokenizer in", damage=without("tokenizer.json")),
    "adapter target": Case(
        64,
        "lora.targets: 'query' matches no module of",
        changes={"lora": {"targets": ["q_proj", "query"]}},
    ),
    "no rows": Case(65, "no accepted rows to train on (data.stage_prefix)", damage=no_rows),
    "all overlong": Case(65, "36 rows are longer than max_length 16", changes={"max_length": 16}),
    "above the context": Case(
        64, "max_length 512 exceeds the context of", changes={"max_length": 512}
    ),
    "batch arithmetic": Case(
        64,
        "8 / (micro_batch_size 8 x 2 ranks) = 0.5",
        changes={"micro_batch_size": 8},
        ranks="2",
    ),
    "deepspeed key": Case(
        64, "unknown DeepSpeed key zero_optimisation", damage=misspelt_deepspeed_key
    ),
    "qlora on CPU": Case(
        64, "method: qlora needs a CUDA device and there is none", changes={"method": "qlora"}
    ),
    "fp16 on CPU": Case(64, "dtype: fp16 needs a CUDA device", changes={"dtype": "fp16"}),
    "world size 0": Case(64, "RANK 0 is not below WORLD_SIZE 0", ranks="0"),
    "world size": Case(64, "WORLD_SIZE: 'two' is not a whole number", ranks="two"),
    "store not writable": Case(73, "store: cannot make the folder", damage=store_is_a_file),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_named_and_has_its_exit_code(
    make_job: MakeJob,
    base_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    case = CASES[name]
    model = tmp_path / "model"
    model.mkdir()
    for file in MODEL_FILES:
        shutil.copyfile(base_model / file, model / file)
    job = make_job(**{"base_model": str(model)} | case.changes)
    case.damage(job)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", case.ranks)
    monkeypatch.setattr("selfalign_training.model.base_model.load_model", None)
    code = main([str(job.config)])
    told = capsys.readouterr().err
    assert case.message in told
    assert code == case.code
    assert "Traceback" not in told


def test_missing_weights_are_named(make_job: MakeJob, base_model: Path, tmp_path: Path) -> None:
    from selfalign_training.model.base_model import load_model

    shutil.copyfile(base_model / "config.json", tmp_path / "config.json")
    config = load_config(make_job(base_model=str(tmp_path)).config)
    with pytest.raises(ModelError, match="base_model: cannot load"):
        load_model(config, "sdpa")
