"""Finished stages to train on, and tokenizers small enough to know every token of."""

from collections.abc import Sequence
from typing import Any

from selfalign.storage.manifest import Manifest, write_manifest
from selfalign.storage.rows import Row, RowStatus
from selfalign.storage.store import Store
from selfalign.storage.tables import create_part, part_name
from selfalign_training.report.metrics_log import StepRecord

# As ChatML does it: every turn between two special tokens.
CHAT_TEMPLATE = (
    "{% for message in messages %}<s>{{ message['role'] }}\n{{ message['content'] }}</s>\n"
    "{% endfor %}{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)


def published_layout() -> dict[str, Any]:
    """The layout section of a training configuration."""
    return {
        "meta_prompts": ["# Assistant\n"],
        "user_header": "\n\n### User\n",
        "assistant_header": "\n\n### Assistant\n",
        "end_marker": "\n\n### User\n",
    }


def small_settings(base_model: str) -> dict[str, Any]:
    """A valid training configuration, to be changed as a test needs it."""
    return {
        "preset": "small",
        "base_model": base_model,
        "data": {"store": "runs", "stage_prefix": "demo/align"},
        "output": {"store": "runs", "prefix": "demo/engrave"},
        "layout": published_layout(),
    }


def step_record(step: int, loss: float, steps: int = 9) -> StepRecord:
    """A logged step of 100 tokens in 2 s."""
    return {
        "step": step,
        "steps": steps,
        "epoch": 1.0,
        "loss": loss,
        "grad_norm": 0.5,
        "learning_rate": 1e-3,
        "tokens": 100,
        "tokens_per_s": 50.0,
        "tokens_per_s_rank": 50.0,
        "step_s": 2.0,
        "mfu": None,
        "padding_share": 0.0,
        "checkpoint_s": None,
        "checkpoint_stall_s": None,
        "resumed_at": None,
    }


def finish_stage(store: Store, prefix: str, units: Sequence[Sequence[Row]]) -> None:
    """Writes one part for each unit, and the manifest."""
    parts = [
        create_part(store, f"{prefix}/{part_name(number)}", rows)
        for number, rows in enumerate(units)
    ]
    accepted = sum(row.status is RowStatus.ACCEPTED for rows in units for row in rows)
    stage = prefix.rsplit("/", 1)[-1]
    total = sum(len(rows) for rows in units)
    manifest = Manifest(
        stage=stage, inputs=total, accepted=accepted, rejected=total - accepted, parts=tuple(parts)
    )
    write_manifest(store, prefix, manifest)


def byte_tokenizer(*, template: str | None = None, chat_template: str | None = None) -> Any:
    """One token a byte; pad and end are the same token, as in the small model."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<s>": 0, "</s>": 1} | {sign: at + 2 for at, sign in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if template:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=template, special_tokens=[("<s>", 0), ("</s>", 1)]
        )
    make: Any = PreTrainedTokenizerFast
    return make(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="</s>",
        chat_template=chat_template,
    )


def fallback_tokenizer() -> Any:
    """As LLaMA's: SentencePiece's space sign, and bytes for characters that have no token."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    signs = ["▁", "\n", "#", "###", *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,?!:"]
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2}
    vocabulary |= {f"<0x{byte:02X}>": byte + 3 for byte in range(256)}
    vocabulary |= {sign: at + 259 for at, sign in enumerate(signs)}
    model = models.BPE(
        vocab=vocabulary, merges=[], unk_token="<unk>", fuse_unk=True, byte_fallback=True
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
