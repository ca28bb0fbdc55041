"""What became of the rows: every one is a sequence, or counted as dropped."""

from dataclasses import asdict, dataclass, fields
from typing import Self

from selfalign_training.data.encode import Example


@dataclass(slots=True)
class Counts:
    """rows + extra_rows = sequences + dropped_empty + dropped_markup + dropped_overlong."""

    rows: int = 0
    """Accepted rows of the stage."""
    extra_rows: int = 0
    """Rows of data.extra_rows."""
    sequences: int = 0
    dropped_empty: int = 0
    """Answers of white space, or of nothing that the tokenizer knows: no token to learn."""
    dropped_markup: int = 0
    """Texts that spell out a control token of the tokenizer."""
    dropped_overlong: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    longest: int = 0
    """Tokens of the longest sequence that is trained on."""
    shortest_overlong: int = 0
    longest_overlong: int = 0
    """Tokens of the dropped rows; 0 where none was."""

    def take(self, example: Example, max_length: int) -> bool:
        """Counts a tokenized row; whether it is trained on."""
        length = len(example.input_ids)
        if example.trained_tokens == 0:
            self.dropped_empty += 1
            return False
        if length > max_length:
            self.dropped_overlong += 1
            self.shortest_overlong = min(self.shortest_overlong or length, length)
            self.longest_overlong = max(self.longest_overlong, length)
            return False
        self.sequences += 1
        self.tokens += length
        self.trained_tokens += example.trained_tokens
        self.longest = max(self.longest, length)
        return True

    def add(self, other: Self) -> None:
        """Adds the counts of another unit."""
        shortest = [n for n in (self.shortest_overlong, other.shortest_overlong) if n]
        longest = {
            name: max(getattr(self, name), getattr(other, name))
            for name in ("longest", "longest_overlong")
        }
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))
        for name, value in longest.items():
            setattr(self, name, value)
        self.shortest_overlong = min(shortest, default=0)

    def overlong_note(self, max_length: int) -> str:
        """What a person should know of the dropped rows."""
        return (
            f"{self.dropped_overlong} of {self.rows + self.extra_rows} rows are longer than "
            f"max_length {max_length} tokens and left out: the shortest of them has "
            f"{self.shortest_overlong} tokens, the longest {self.longest_overlong}"
        )

    def as_dict(self) -> dict[str, int]:
        return asdict(self)
