"""Packed sequences do not see each other; fillers and masks cost nothing."""

from pathlib import Path
from typing import Any

import pytest

from selfalign_training.batches import BatchPlan
from selfalign_training.data import Example
from selfalign_training.load import load_config
from support.training_job import MakeJob

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
PLAN = BatchPlan(micro_batch_size=2, ranks=1, accumulation=1)


def examples(lengths: list[int]) -> tuple[Example, ...]:
    return tuple(
        Example(
            f"p{number}",
            tuple((number * 31 + at * 7) % 350 + 2 for at in range(length)),
            tuple(-100 if at < 2 else (number * 31 + at * 7) % 350 + 2 for at in range(length)),
        )
        for number, length in enumerate(lengths)
    )


def collated(table: Any, *, packed: bool) -> dict[str, Any]:
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    collator = DataCollatorForLanguageModeling(pad_token_id=1, padding_free=packed)
    batch: dict[str, Any] = collator([table[index] for index in range(len(table))])
    return batch


def test_a_packed_sequence_has_the_logits_it_has_alone(make_job: MakeJob, base_model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from selfalign_training.arguments import sequence_table

    config = load_config(make_job(max_length=32).config)
    sequences = examples([9, 14, 7, 20, 11])
    table = sequence_table(sequences, config, PLAN, packed=True)
    assert max(len(ids) for ids in table["input_ids"]) <= 32
    batch = collated(table, packed=True)
    model: Any = AutoModelForCausalLM.from_pretrained(base_model, attn_implementation="sdpa")
    model.eval()
    # As the trainer calls it: transformers builds the block mask where there is no cache.
    inputs = {name: batch[name] for name in ("input_ids", "position_ids")}
    with torch.no_grad():
        together = model(use_cache=False, **inputs).logits[0]
        ids = batch["input_ids"][0].tolist()
        for example in sequences:
            alone = model(input_ids=torch.tensor([example.input_ids])).logits[0]
            start = find(ids, list(example.input_ids))
            packed = together[start : start + len(example.input_ids)]
            torch.testing.assert_close(packed, alone, atol=1e-4, rtol=1e-4)


def find(ids: list[int], part: list[int]) -> int:
    return next(at for at in range(len(ids)) if ids[at : at + len(part)] == part)


@pytest.mark.parametrize("packed", [False, True])
def test_every_trained_token_is_there_once(make_job: MakeJob, packed: bool) -> None:
    from selfalign_training.arguments import sequence_table

    config = load_config(make_job(max_length=32).config)
    sequences = examples([9, 14, 7, 20, 11])
    table = sequence_table(sequences, config, PLAN, packed=packed)
    assert len(table) % PLAN.global_batch_size == 0
    trained = sorted(label for labels in table["labels"] for label in labels if label != -100)
    assert trained == sorted(
        label for example in sequences for label in example.labels if label != -100
    )


def test_the_real_layout_of_the_sampler_fills_whole_steps(make_job: MakeJob) -> None:
    from selfalign_training.arguments import sequence_table
    from selfalign_training.trainer import EpochSampler

    config = load_config(make_job().config)
    plan = BatchPlan(micro_batch_size=2, ranks=3, accumulation=2)
    table = sequence_table(examples([5] * 13), config, plan, packed=False)
    lengths = [len(ids) for ids in table["input_ids"]]
    sampler = EpochSampler(lengths, plan.global_batch_size, seed=1)
    assert len(sampler) == 24
    first = list(sampler)
    sampler.set_epoch(1)
    assert sorted(first) == sorted(sampler) == list(range(24))
    assert first != list(sampler)


@pytest.mark.parametrize("packed", [False, True])
def test_every_row_says_which_samples_it_holds(make_job: MakeJob, packed: bool) -> None:
    from selfalign_training.arguments import sequence_table

    config = load_config(make_job(max_length=32).config)
    sequences = examples([9, 14, 7, 20, 11])
    by_id = {example.prompt_id: example for example in sequences}
    table = sequence_table(sequences, config, PLAN, packed=packed)
    assert table["rows"] == list(range(len(table)))
    found = []
    for row in table:
        own = [by_id[name] for name in row["prompt_ids"]]
        found += row["prompt_ids"]
        if own:
            assert row["input_ids"] == [token for example in own for token in example.input_ids]
    assert sorted(found) == sorted(by_id)
