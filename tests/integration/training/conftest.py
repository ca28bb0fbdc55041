"""A tiny random LLaMA with a tokenizer of its own, and rows in a folder store."""

from pathlib import Path
from typing import Any

import pytest

from selfalign.storage.open import open_store
from selfalign.storage.rows import Row, RowStatus, prompt_id
from support.training_data import finish_stage, published_layout
from support.training_job import Job, MakeJob

COLOURS = ("red", "green", "blue", "black", "white", "brown")
THINGS = ("apple", "stone", "river", "table", "cloud", "horse")


@pytest.fixture(scope="session")
def rows() -> list[Row]:
    """36 rows to learn from, of uneven length; one without an answer, one rejected."""
    made = []
    for number, (colour, thing) in enumerate((c, t) for c in COLOURS for t in THINGS):
        instruction = f"Which colour has the {thing} number {number}?"
        detail = "It stands in the garden behind the old house. " * (number % 4)
        answer = f"The {thing} is {colour}. " * (1 + number % 3)
        made.append(row(instruction, detail.strip(), answer.strip(), complete=number % 5 != 0))
    empty = row("Say nothing.", "", "  ", complete=True)
    rejected = row("Be bad.", "", "No.", complete=True).rejected("refusal", "No.")
    return [*made, empty, rejected]


def row(instruction: str, detail: str, answer: str, *, complete: bool) -> Row:
    identifier = prompt_id(instruction, detail)
    return Row(
        row_id=identifier,
        prompt_id=identifier,
        status=RowStatus.ACCEPTED,
        instruction=instruction,
        input=detail,
        answer=answer,
        complete=complete,
    )


@pytest.fixture(scope="session")
def base_model(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> Path:
    """Two layers, 64 wide, random weights, a byte-level BPE of 400 tokens."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder: Path = tmp_path_factory.mktemp("base")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [f"{item.instruction}\n\n{item.input}{item.answer}### User" for item in rows]
    tokenizer.train_from_iterator(texts, trainer)
    make: Any = PreTrainedTokenizerFast
    fast = make(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        initializer_range=0.1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def adapter(base_model: Path, tmp_path: Path) -> Path:
    """An adapter of the tiny model that changes what it writes."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(base_model)
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=6, target_modules=["q_proj", "o_proj"]))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(str(tmp_path / "adapter"))
    return tmp_path / "adapter"


@pytest.fixture(scope="session")
def make_job(
    tmp_path_factory: pytest.TempPathFactory, base_model: Path, rows: list[Row]
) -> MakeJob:
    """A job on the tiny model: five steps an epoch, two epochs; keywords override."""

    def make(**overrides: Any) -> Job:
        folder = tmp_path_factory.mktemp("job")
        store = open_store(str(folder / "store"))
        finish_stage(store, "run/align", [rows[::2], rows[1::2]])
        values: dict[str, Any] = {
            "base_model": str(base_model),
            "data": {"store": store.url, "stage_prefix": "run/align"},
            "output": {"store": store.url, "prefix": "run/engrave"},
            "layout": published_layout() | {"meta_prompts": ["# Assistant\n", "# Helper\n"]},
            "learning_rate": 2e-2,
            "epochs": 2,
            "warmup_steps": 1,
            "global_batch_size": 8,
            "micro_batch_size": 2,
            "max_length": 160,
            "dtype": "bf16",
            "zero_stage": 2,
            "save_steps": 3,
            "work_dir": str(folder / "work"),
            "fingerprint": {"constitution": "abc"},
        }
        return Job(folder, values | overrides)

    return make
