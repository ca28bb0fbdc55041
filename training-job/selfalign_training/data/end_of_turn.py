"""The end of a turn: the token with which a model says that its answer is complete."""

from dataclasses import dataclass
from typing import cast

from selfalign.errors import ConfigError
from selfalign_training.data.tokenizer import Tokenizer

REMEDY = (
    "name one in tokenizer_config.json (eos_token), or set layout.end_of_turn: marker, which "
    "trains the published layout without an end token"
)


@dataclass(frozen=True, slots=True)
class EndOfTurn:
    """How a complete answer ends."""

    token_id: int
    """What engines have to stop at."""
    added: str
    """What comes behind the layout's own text; "" where a chat template writes the token."""
    tail: str = ""
    """What a chat template writes behind the token, which is not learned."""


def eos_of_turn(tokenizer: Tokenizer) -> EndOfTurn:
    """The tokenizer's EOS. Raises ConfigError where it has none."""
    if tokenizer.eos_token is None or tokenizer.eos_token_id is None:
        raise no_end_token()
    return EndOfTurn(tokenizer.eos_token_id, tokenizer.eos_token)


def no_end_token() -> ConfigError:
    """The error of a tokenizer that names no EOS, where answers are to end with it."""
    return ConfigError(
        f"layout.end_of_turn: token, but the base model's tokenizer has no EOS token; {REMEDY}"
    )


def template_end_of_turn(after: str, tokenizer: Tokenizer) -> EndOfTurn:
    """The first special token that a chat template writes behind an answer; else the EOS.

    Args:
        after: What the template writes behind an answer.
        tokenizer: The template's.

    Raises:
        ConfigError: the template writes no special token, and the tokenizer has no EOS.
    """
    encoded = tokenizer(
        [after], add_special_tokens=False, return_offsets_mapping=True, return_attention_mask=False
    )
    (ids,) = cast(list[list[int]], encoded["input_ids"])
    (offsets,) = cast(list[list[tuple[int, int]]], encoded["offset_mapping"])
    ends = special_ids(tokenizer)
    for number, (_, end) in zip(ids, offsets, strict=True):
        if number in ends:
            return EndOfTurn(number, "", after[end:])
    if tokenizer.eos_token is None or tokenizer.eos_token_id is None:
        raise ConfigError(
            "layout.chat_template: the template ends an answer with no special token "
            f"({after!r}), and the base model's tokenizer has no EOS token; {REMEDY}"
        )
    space = after[len(after.rstrip()) :]
    return EndOfTurn(tokenizer.eos_token_id, tokenizer.eos_token, space)


def special_ids(tokenizer: Tokenizer) -> frozenset[int]:
    """All tokens that are no part of a text, named ones or not."""
    added = tokenizer.added_tokens_decoder.items()
    return frozenset(tokenizer.all_special_ids) | {id for id, token in added if token.special}
