"""Text and tokens: encoding, byte offsets, decoding token by token, stop rules."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tokenizers import Tokenizer

from selfalign.errors import ModelError
from selfalign.model_server.weights import read_json

FinishReason = Literal["length", "eos_token", "stop_sequence"]


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

    def encode(self, text: str, keep_last: int | None = None) -> list[int]:
        """Token ids, with the special tokens that the tokenizer adds by itself.

        `keep_last` cuts the text at its start; special tokens that stand there are kept, as TGI
        keeps them.
        """
        encoding = self._tokenizer.encode(text)
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

    def decode(self, ids: Sequence[int], *, skip_special: bool = False) -> str:
        """The text of tokens."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=skip_special)
        return text


@dataclass(slots=True)
class IncrementalDecoder:
    """Texts of tokens as they come: "" until a character is complete."""

    tokenizer: TextTokenizer
    ids: list[int]
    """Last tokens of the prompt, for context, and the completion so far."""
    _start: int = field(init=False)
    _read: int = field(init=False)

    def __post_init__(self) -> None:
        self.ids = self.ids[-5:]
        self._start, self._read = 0, len(self.ids)

    def push(self, token: int) -> str:
        """The text that `token` completes."""
        self.ids.append(token)
        before = self.tokenizer.decode(self.ids[self._start : self._read])
        now = self.tokenizer.decode(self.ids[self._start :])
        if len(now) <= len(before) or now.endswith("\ufffd"):
            return ""
        self._start, self._read = self._read, len(self.ids)
        return now[len(before) :]


@dataclass(slots=True)
class StopRule:
    """TGI's order: length, end-of-sequence token, then the stop strings."""

    max_new_tokens: int
    eos_token_ids: frozenset[int]
    stop: tuple[str, ...] = ()
    _count: int = 0
    _tail: str = ""

    def push(self, token: int, text: str) -> FinishReason | None:
        """Why the request ends with this token; None if it goes on.

        A stop string matches where the output ends with it (or with it and a newline, as TGI's
        pattern allows); one inside a token's text is not seen.
        """
        self._count += 1
        if self._count >= self.max_new_tokens:
            return "length"
        if token in self.eos_token_ids:
            return "eos_token"
        if self.stop:
            longest = max(map(len, self.stop)) + 1
            self._tail = (self._tail + text)[-max(longest, len(text)) :]
            ends = (self._tail, self._tail.removesuffix("\n"))
            if any(end.endswith(stop) for stop in self.stop for end in ends):
                return "stop_sequence"
        return None
