"""The user's DeepSpeed file: what is wrong with it is named, as DeepSpeed itself knows it."""

from pathlib import Path

import pytest

from selfalign.errors import ConfigError
from selfalign_training.configuration.deepspeed_file import read_deepspeed_file
from selfalign_training.configuration.deepspeed_keys import (
    check_deepspeed_keys,
    known_at_the_top,
)

DEEPSPEED_FILES = sorted((Path(__file__).parents[4] / "training-job" / "ds_config").glob("*.json"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected a JSON object, found list"),
        ('{"zero_optimisation": {}}', "unknown DeepSpeed key zero_optimisation"),
        (
            '{"zero_optimization": {"stage": 3, "offload_params": {"device": "cpu"}}}',
            "unknown DeepSpeed key zero_optimization.offload_params",
        ),
        (
            '{"zero_optimization": {"offload_optimizer": {"devise": "cpu"}}, "bf16": {"on": 1}}',
            "unknown DeepSpeed key zero_optimization.offload_optimizer.devise, bf16.on",
        ),
        (
            '{"zero_optimization": {"stage": 3, "leaf_module": {"klasses": []}}}',
            "unknown DeepSpeed key zero_optimization.leaf_module.klasses",
        ),
        ('{"aio": {"block": 1}, "scheduler": {"kind": "x"}}', "key aio.block, scheduler.kind"),
        (
            '{"amp": {"enabled": true}}',
            "DeepSpeed refuses it: NVIDIA Apex AMP integration has",
        ),
        (
            '{"zero_optimization": {"stage": 2, "reduce_bucket_size": -1}}',
            "DeepSpeedZeroConfig: reduce_bucket_size: Input should be greater than 0 (got -1)",
        ),
        ('{"bf16": true}', "DeepSpeed refuses it: "),
        ('{"train_batch_size": 8}', 'train_batch_size is 8; expected "auto"'),
        ('{"zero_optimization": {"stage": 7}}', "zero_optimization.stage is 7; expected 0, 1"),
    ],
)
def test_a_wrong_deepspeed_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "ds.json"
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        check_deepspeed_keys(path)
    assert message in str(caught.value)


def test_what_needs_no_deepspeed_is_refused_without_it(tmp_path: Path) -> None:
    path = tmp_path / "ds.json"
    for content in ("{", "[]", '{"train_batch_size": 8}', '{"zero_optimization": {"stage": 7}}'):
        path.write_text(content)
        with pytest.raises(ConfigError, match=r"deepspeed_config: .*ds\.json"):
            read_deepspeed_file(path)


def test_deepspeed_says_which_keys_it_reads() -> None:
    known = known_at_the_top()
    assert {"zero_optimization", "bf16", "optimizer", "gradient_clipping", "wandb"} <= known
    assert not {"zero_optimisation", "", "enabled"} & known


@pytest.mark.parametrize("path", DEEPSPEED_FILES, ids=lambda path: path.name)
def test_the_shipped_deepspeed_files_are_valid(path: Path) -> None:
    check_deepspeed_keys(path)
