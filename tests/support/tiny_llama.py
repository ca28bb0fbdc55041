"""A random LLaMA of a few thousand weights with a byte-level tokenizer, made in a moment."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM

BOS, EOS = "<s>", "</s>"
BYTES = pre_tokenizers.ByteLevel.alphabet()


def save_tokenizer(folder: Path) -> int:
    """One token a byte, and two special tokens; returns the size of the vocabulary."""
    vocabulary = {text: number for number, text in enumerate([BOS, EOS, *sorted(BYTES)])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([BOS, EOS])
    tokenizer.save(str(folder / "tokenizer.json"))
    return len(vocabulary)


def save_tiny_llama(folder: Path, **changes: Any) -> Any:
    """Writes model and tokenizer; returns the model, fp32, for comparison."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = {
        "vocab_size": save_tokenizer(folder),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
        "initializer_range": 0.5,
        "tie_word_embeddings": True,
    }
    torch.manual_seed(7)
    shard = changes.pop("max_shard_size", "1GB")
    model: Any = LlamaForCausalLM(LlamaConfig(**{**shape, **changes}))
    model.float().eval().save_pretrained(folder, max_shard_size=shard)
    return model


def greedy(model: Any, tokens: list[int], new_tokens: int) -> list[int]:
    """What transformers generates."""
    ids = torch.tensor([tokens])
    output = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=new_tokens,
        do_sample=False,
        pad_token_id=1,
    )
    generated: list[int] = output[0, len(tokens) :].tolist()
    return generated
