"""Control tokens that are spelled out in a row's text."""

import re

from selfalign_training.data.source import Source
from selfalign_training.data.tokenizer import Tokenizer


class Markup:
    """Finds what the tokenizer would not read as text: `<|im_end|>`, `</s>` and the like.

    Tokenized with the rest, it would end a turn or begin one in the middle of an answer.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokens = {one.content for one in tokenizer.added_tokens_decoder.values() if one.special}
        known = sorted(filter(None, tokens), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, known))) if known else None

    def stands_in(self, source: Source) -> bool:
        """Whether one of the row's texts holds a control token."""
        if self._pattern is None:
            return False
        texts = (source.instruction, source.input, source.answer)
        return any(self._pattern.search(text) for text in texts)
