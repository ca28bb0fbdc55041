"""Whole jobs under torchrun with two ranks: what they leave, and what kills cost."""

import hashlib
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from selfalign_training.configuration.reading import load_config
from selfalign_training.data.dataset import find_sources, load_dataset
from selfalign_training.data.encode import IGNORED
from selfalign_training.launch.place import Place
from selfalign_training.model.base_model import load_tokenizer
from support.training_job import Job, MakeJob, epochs_of_samples, prompt_ids, sending

pytestmark = [
    pytest.mark.slow,
    # Twenty seconds each on an idle machine, nearly all of it imports in several processes.
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
STEPS = 10


def generate(model: Any, **options: Any) -> Any:
    return model.generate(**options)


@pytest.fixture(scope="module")
def undisturbed(make_job: MakeJob) -> Job:
    job = make_job()
    assert job.run() == 0, job.stderr
    return job


def test_the_output_is_complete_and_its_manifest_true(undisturbed: Job) -> None:
    manifest = undisturbed.manifest()
    assert manifest["stage"] == "engrave"
    assert manifest["fingerprint"] == {"constitution": "abc"}
    names = {part["name"] for part in manifest["parts"]}
    assert {
        "metrics.jsonl",
        "card.md",
        "card.json",
        "adapter/adapter_model.safetensors",
        "adapter/adapter_config.json",
        "merged/model.safetensors",
        "merged/config.json",
        "merged/tokenizer.json",
    } <= names
    for part in manifest["parts"]:
        data = (undisturbed.output / part["name"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (part["size"], part["sha256"])
    details = manifest["details"]
    assert (details["rows"], details["sequences"], details["dropped_empty"]) == (37, 36, 1)
    assert (details["steps"], details["ranks"], details["packed"]) == (STEPS, 2, False)
    card = (undisturbed.output / "card.md").read_text()
    for fact in ("config_digest", "base_model_digest", "data_digest"):
        assert f" {details[fact]} |" in card
    assert "| Resumed at steps | – |" in card
    assert not list(Path(undisturbed.values["work_dir"]).iterdir())


def test_the_loss_goes_down_and_every_step_is_told(undisturbed: Job) -> None:
    losses = undisturbed.losses()
    assert list(losses) == list(range(1, STEPS + 1))
    first, last = undisturbed.manifest()["details"]["loss_by_epoch"]
    assert last < 0.8 * first
    assert [record["loss"] for record in undisturbed.metrics()] == list(losses.values())
    assert all(record["tokens_per_s"] > 0 for record in undisturbed.metrics())


def test_merged_weights_answer_as_base_and_adapter_do(undisturbed: Job, base_model: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    merged: Any = AutoModelForCausalLM.from_pretrained(undisturbed.output / "merged")
    assert merged.dtype == torch.bfloat16
    merged.to(dtype=torch.float32)
    base = AutoModelForCausalLM.from_pretrained(base_model, dtype=torch.float32)
    adapted = PeftModel.from_pretrained(base, undisturbed.output / "adapter")
    tokenizer = AutoTokenizer.from_pretrained(undisturbed.output / "merged")
    question = "Which colour has the river number 14?"
    prompt = tokenizer(f"# Assistant\n{question}\n\n### Assistant\n", return_tensors="pt")
    options: dict[str, Any] = {"max_new_tokens": 8, "do_sample": False}
    expected = generate(adapted, **prompt, **options)
    assert torch.equal(generate(merged, **prompt, **options), expected)
    with adapted.disable_adapter():
        assert not torch.equal(generate(adapted, **prompt, **options), expected)


def test_a_finished_job_is_not_done_again(undisturbed: Job) -> None:
    before = (undisturbed.output / "manifest.json").stat().st_mtime_ns
    told = undisturbed.losses()
    job = Job(undisturbed.folder, undisturbed.values)
    assert job.run(ranks=1) == 0, job.stderr
    assert [event["event"] for event in job.events] == ["note"]
    assert job.events[0]["text"].endswith("run/engrave is done already")
    assert (undisturbed.output / "manifest.json").stat().st_mtime_ns == before
    assert told


@pytest.mark.timeout(1200)
def test_interruptions_cost_no_step(make_job: MakeJob, undisturbed: Job) -> None:
    """SIGTERM: checkpoint, exit 143. Kill -9 of a rank, five times: the curve stays the same.

    On the way: a disk that is lost, and a checkpoint that is damaged in the store.
    """
    job = make_job(save_steps=1, log_samples=True)
    assert job.run(sending(1, signal.SIGTERM)) == 143, job.stderr
    stopped_at = max(job.losses())
    assert stopped_at < STEPS
    assert job.checkpoints()[-1] == stopped_at
    assert not (job.output / "manifest.json").exists()

    rng = random.Random(4)
    resumed_after = stopped_at
    for number in range(5):
        step = min(resumed_after + rng.choice((1, 2)), STEPS - 1)
        assert job.run(sending(step, signal.SIGKILL, rank=rng.choice((0, 1)))) == 137, job.stderr
        assert min(job.losses()) == resumed_after + 1
        # keep_last is 2; a kill may come before the one too many is deleted.
        assert 1 <= len(job.checkpoints()) <= 3
        resumed_after = job.checkpoints()[-1]
        assert resumed_after <= max(job.losses())
        if number == 1:
            shutil.rmtree(job.values["work_dir"])
        if number == 3 and len(job.checkpoints()) > 1:
            shutil.rmtree(job.values["work_dir"])
            next(job.checkpoint(resumed_after).glob("global_step*/*optim_states.pt")).write_text("")
            resumed_after = job.checkpoints()[-2]

    assert job.run() == 0, job.stderr
    details = job.manifest()["details"]
    assert details["resumed_at_step"] == details["resumed_at"][-1] == resumed_after
    expected = [(record["step"], record["loss"]) for record in undisturbed.metrics()]
    assert [(record["step"], record["loss"]) for record in job.metrics()] == expected
    for name in ("adapter/adapter_model.safetensors", "merged/model.safetensors"):
        assert (job.output / name).read_bytes() == (undisturbed.output / name).read_bytes()
    assert job.checkpoints() == []
    # 36 prompts, 8 a step: each is seen once an epoch.
    assert epochs_of_samples(job, steps_in_epoch=STEPS // 2) == [sorted(prompt_ids(job))] * 2


def test_stages_ranks_and_accumulation_give_the_same_training(
    make_job: MakeJob, base_model: Path
) -> None:
    """All rows in every step: ZeRO-3 on two ranks with accumulation equals one plain rank."""
    common = {
        "global_batch_size": 36,
        "epochs": 4,
        "dtype": "fp32",
        "lora": {"dropout": 0.0},
        "scheduler": "warmup_decay",
        "warmup_steps": 3,
        "metrics_port": 0,
    }
    sharded = make_job(**common, zero_stage=3, micro_batch_size=6, gradient_checkpointing=True)
    assert sharded.run() == 0, sharded.stderr
    plain = make_job(**common, zero_stage=1, micro_batch_size=36)
    assert plain.run_alone() == 0, plain.stderr
    for one, other in zip(sharded.metrics(), plain.metrics(), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-4)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-3)
        assert one["learning_rate"] == other["learning_rate"]
    # The adapter starts as zero: the first loss is the base model's own, mean over all tokens.
    assert sharded.losses()[1] == pytest.approx(bare_loss(plain, base_model), abs=1e-4)
    rates = [record["learning_rate"] for record in plain.metrics()]
    assert rates[0] == 0
    assert rates[1] == pytest.approx(rates[2] * 0.6309, rel=1e-3)  # log 2 / log 3


def bare_loss(job: Job, base_model: Path) -> float:
    import torch
    from transformers import AutoModelForCausalLM

    config = load_config(job.config)
    tokenizer = load_tokenizer(str(base_model))
    dataset = load_dataset(config, find_sources(config), tokenizer, Place())
    model = AutoModelForCausalLM.from_pretrained(base_model, dtype=torch.float32)
    total, count = 0.0, 0
    for example in dataset:
        with torch.no_grad():
            logits = model(torch.tensor([example.input_ids])).logits[0, :-1]
        labels = torch.tensor(example.labels[1:])
        total += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        count += int((labels != IGNORED).sum())
    return total / count
