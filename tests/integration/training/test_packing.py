"""Packed sequences do not see each other: what each computes is what it computes alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from selfalign_training.configuration.batch_plan import BatchPlan
from selfalign_training.data.sequence_table import SequenceTable
from selfalign_training.data.token_file import TokenFile, TokenWriter

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
PLAN = BatchPlan(micro_batch_size=2, ranks=1, accumulation=1)
LENGTHS = [9, 14, 7, 20, 11]
ROW = 32


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    path = tmp_path / "tokens.arrow"
    with TokenWriter(path) as writer:
        for number, length in enumerate(LENGTHS):
            ids = [(number * 31 + at * 7) % 350 + 2 for at in range(length)]
            writer.add(f"p{number}", ids, 2)
    return TokenFile(path)


@pytest.fixture
def model(base_model: Path) -> Any:
    from transformers import AutoModelForCausalLM

    loaded: Any = AutoModelForCausalLM.from_pretrained(base_model, attn_implementation="sdpa")
    return loaded.eval()


def collated(table: SequenceTable) -> dict[str, Any]:
    """As the trainer makes its batches: all rows in one, without padding."""
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    rows = table.for_trainer()
    collator = DataCollatorForLanguageModeling(pad_token_id=1, padding_free=True)
    batch: dict[str, Any] = collator([rows[index] for index in range(len(rows))])
    return batch


def borders(tokens: TokenFile, table: SequenceTable) -> Iterator[tuple[int, slice]]:
    """Each sequence, and where it lies in the batch."""
    start = 0
    for row in range(len(table)):
        for index in table.sequences(row).tolist():
            end = start + int(tokens.lengths[index])
            yield index, slice(start, end)
            start = end


def logits(model: Any, batch: dict[str, Any]) -> Any:
    """As the trainer calls it: transformers builds the block mask where there is no cache."""
    import torch

    names = ("input_ids", "position_ids", "cu_seq_lens_q", "cu_seq_lens_k")
    inputs = {name: batch[name] for name in (*names, "max_length_q", "max_length_k")}
    with torch.no_grad():
        return model(use_cache=False, **inputs).logits[0]


def test_a_packed_sequence_has_the_logits_it_has_alone(tokens: TokenFile, model: Any) -> None:
    import torch

    table = SequenceTable(tokens, PLAN, pack_to=ROW)
    assert len(table) == 2
    assert max(table.lengths) <= ROW
    batch = collated(table)
    together = logits(model, batch)
    for index, place in borders(tokens, table):
        ids = torch.tensor([tokens[index].input_ids])
        assert torch.equal(batch["input_ids"][0, place], ids[0])
        assert batch["position_ids"][0, place].tolist() == list(range(ids.shape[1]))
        with torch.no_grad():
            alone = model(input_ids=ids).logits[0]
        torch.testing.assert_close(together[place], alone, atol=1e-5, rtol=1e-5)


def test_no_token_of_one_sequence_reaches_another(tokens: TokenFile, model: Any) -> None:
    """Other tokens in one sequence change its own logits and, bit for bit, no others."""
    import torch

    table = SequenceTable(tokens, PLAN, pack_to=ROW)
    batch = collated(table)
    before = logits(model, batch)
    for changed, place in borders(tokens, table):
        other = {**batch, "input_ids": batch["input_ids"].clone()}
        other["input_ids"][0, place] = (other["input_ids"][0, place] + 5) % 350 + 2
        after = logits(model, other)
        for index, there in borders(tokens, table):
            assert torch.equal(after[there], before[there]) == (index != changed)


def test_without_positions_that_start_anew_the_proof_fails(tokens: TokenFile, model: Any) -> None:
    """What keeps sequences apart is their positions: the test above sees it when they do not."""
    import torch

    table = SequenceTable(tokens, PLAN, pack_to=ROW)
    batch = collated(table)
    running = torch.arange(batch["input_ids"].shape[1])[None]
    with torch.no_grad():
        mixed = model(input_ids=batch["input_ids"], position_ids=running, use_cache=False).logits[0]
    (_, second) = list(borders(tokens, table))[1]
    assert not torch.allclose(mixed[second], logits(model, batch)[second], atol=1e-2)


def test_the_first_token_of_a_packed_sequence_is_not_learned(tokens: TokenFile) -> None:
    """It would be predicted from the last one of the sequence before it."""
    table = SequenceTable(tokens, PLAN, pack_to=ROW)
    batch = collated(table)
    for index, place in borders(tokens, table):
        labels = batch["labels"][0, place].tolist()
        assert labels[0] == -100
        assert labels == tokens[index].labels


def test_the_sampler_fills_whole_steps(tmp_path: Path) -> None:
    from selfalign_training.trainer.epoch_order import EpochSampler

    with TokenWriter(tmp_path / "t.arrow") as writer:
        for number in range(13):
            writer.add(f"p{number}", [1] * 5, 2)
    plan = BatchPlan(micro_batch_size=2, ranks=3, accumulation=2)
    table = SequenceTable(TokenFile(tmp_path / "t.arrow"), plan)
    sampler = EpochSampler(table.lengths.tolist(), plan.global_batch_size, seed=1)
    assert len(sampler) == 24
    first = list(sampler)
    sampler.set_epoch(1)
    assert sorted(first) == sorted(sampler) == list(range(24))
    assert first != list(sampler)
