"""What is used of a fast tokenizer of transformers, without importing transformers."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class Backend(Protocol):
    """The Rust tokenizer underneath."""

    def to_str(self) -> str:
        """All that it does, as JSON."""
        ...


class AddedToken(Protocol):
    """A token that the tokenizer looks for before all others."""

    @property
    def content(self) -> str:
        """How it is spelled."""
        ...

    @property
    def special(self) -> bool:
        """Whether it is no part of a text."""
        ...


class Tokenizer(Protocol):
    """transformers' PreTrainedTokenizerFast, as far as training data need it."""

    @property
    def is_fast(self) -> bool: ...

    @property
    def all_special_ids(self) -> list[int]: ...

    @property
    def added_tokens_decoder(self) -> Mapping[int, AddedToken]: ...

    @property
    def bos_token(self) -> str | None: ...

    @property
    def eos_token(self) -> str | None: ...

    @property
    def eos_token_id(self) -> int | None: ...

    @property
    def chat_template(self) -> str | None: ...

    @property
    def backend_tokenizer(self) -> Backend: ...

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]: ...

    def get_chat_template(self) -> str:
        """The default one where there are several."""
        ...

    def __call__(
        self,
        text: Sequence[str],
        *,
        add_special_tokens: bool,
        return_offsets_mapping: bool,
        return_attention_mask: bool,
    ) -> Mapping[str, object]:
        """`input_ids`: a list of tokens for each text; `offset_mapping`: for each of them (start,
        end) in characters."""
        ...

    def apply_chat_template(
        self,
        conversation: Sequence[Mapping[str, str]],
        *,
        tokenize: bool,
        add_generation_prompt: bool,
    ) -> object:
        """The conversation as text, where `tokenize` is false."""
        ...
