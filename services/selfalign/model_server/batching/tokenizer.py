"""Text and tokens: encoding, byte offsets, decoding token by token."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tokenizers import Tokenizer

from selfalign.errors import ModelError
from selfalign.model_server.transformer.model_folder import read_json

WORD_MARKS = ("\u2581", "\u0120")
"""How a piece of a vocabulary says that a word begins: SentencePiece's sign, byte-level BPE's."""
COMMON_IDS = 1024
"""Ids of bytes, signs and the commonest pieces, which the authors' penalties on runs leave out."""
CONTEXT = 5
"""Tokens of the prompt that a decoder looks back at, as TGI does."""


@dataclass(frozen=True, slots=True)
class TokenSpan:
    """One token of an encoded text; start and stop count UTF-8 bytes."""

    id: int
    text: str
    start: int
    stop: int


class TextTokenizer:
    """The model's tokenizer.json."""

    def __init__(self, folder: Path) -> None:
        """Reads it.

        Raises:
            ModelError: missing or broken.
        """
        path = folder / "tokenizer.json"
        if "model" not in read_json(path):
            raise ModelError(f"{path}: no `model` in it; save the tokenizer beside the weights")
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.special_ids = frozenset(
            number
            for number, token in self._tokenizer.get_added_tokens_decoder().items()
            if token.special
        )

    def encode(
        self, text: str, keep_last: int | None = None, *, add_special_tokens: bool = True
    ) -> list[int]:
        """Token ids, with the special tokens that the tokenizer adds by itself if that is wanted.

        `keep_last` cuts the text at its start; special tokens that stand there are kept, as TGI
        keeps them.
        """
        encoding = self._tokenizer.encode(text, add_special_tokens=add_special_tokens)
        ids: list[int] = encoding.ids
        if keep_last is None or len(ids) <= keep_last:
            return ids
        leading = [*encoding.special_tokens_mask, 0].index(0)
        kept = max(keep_last - leading, 1)
        return ids[: min(leading, keep_last - kept)] + ids[-kept:]

    def spans(self, text: str) -> list[TokenSpan]:
        """Token ids with the part of the text that each stands for."""
        encoding = self._tokenizer.encode(text)
        byte_at = [0]
        for character in text:
            byte_at.append(byte_at[-1] + len(character.encode("utf-8", "surrogatepass")))
        return [
            TokenSpan(number, text[start:stop], byte_at[start], byte_at[stop])
            for number, (start, stop) in zip(encoding.ids, encoding.offsets, strict=True)
        ]

    @cached_property
    def word_starts(self) -> frozenset[int]:
        """Tokens that begin a word, the commonest ones left out."""
        vocabulary: dict[str, int] = self._tokenizer.get_vocab()
        return frozenset(
            number
            for piece, number in vocabulary.items()
            if number > COMMON_IDS and piece.startswith(WORD_MARKS)
        )

    def decode(self, ids: Sequence[int], *, skip_special: bool = False) -> str:
        """The text of tokens."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=skip_special)
        return text


@dataclass(slots=True)
class IncrementalDecoder:
    """Texts of tokens as they come: "" until a character is complete.

    A token has no text of its own: a byte-level token may be a third of a character, and some
    tokenizers write a space only between words. So the text of a token is what decoding gets longer
    by when the token joins those just before it.
    """

    tokenizer: TextTokenizer
    ids: list[int]
    """Last tokens of the prompt, for context, and the completion so far."""
    _start: int = field(init=False)
    """Decoding begins here: far enough back for the tokenizer, near enough to stay cheap."""
    _read: int = field(init=False)
    """Tokens before this one have been given as text."""

    def __post_init__(self) -> None:
        self.ids = self.ids[-CONTEXT:]
        self._start, self._read = 0, len(self.ids)

    def push(self, token: int) -> str:
        """The text that `token` completes."""
        self.ids.append(token)
        before = self.tokenizer.decode(self.ids[self._start : self._read])
        now = self.tokenizer.decode(self.ids[self._start :])
        # The replacement character at the end: a character whose bytes are not all there yet.
        if len(now) <= len(before) or now.endswith("\ufffd"):
            return ""
        self._start, self._read = self._read, len(self.ids)
        return now[len(before) :]
