"""How many rows and tokens there are: from the store where it can be read, else as asked."""

from dataclasses import dataclass
from pathlib import Path

from selfalign.errors import ConfigError, DataError, SelfAlignError, StoreError
from selfalign.storage.manifest import read_manifest
from selfalign.storage.open import open_store
from selfalign.storage.tables import list_parts, parse_part
from selfalign_training.configuration.training_config import TrainingConfig

# One part says enough of the lengths; a mean over 2,000 rows is within a few percent.
SAMPLE = 2000
CHARACTERS_PER_TOKEN = 4.0


@dataclass(frozen=True, slots=True)
class Workload:
    """The training set in numbers, and where they come from."""

    rows: int
    rows_from: str
    tokens_per_row: float
    tokens_from: str

    @property
    def tokens(self) -> int:
        """Tokens of one epoch, padding left out."""
        return round(self.rows * self.tokens_per_row)


def find_workload(
    config: TrainingConfig, rows: int | None, tokens_per_row: float | None
) -> Workload:
    """Rows and tokens; what is not given is read from the store.

    Raises:
        ConfigError: it is not given and cannot be read.
        DataError: the stage accepted no rows.
    """
    rows_from, tokens_from = "--rows", "--tokens-per-row"
    if rows is None:
        rows = accepted_rows(config)
        rows_from = f"manifest of {config.data.store}/{config.data.stage_prefix}"
    if tokens_per_row is None:
        try:
            tokens_per_row, tokens_from = sampled_tokens(config)
        except SelfAlignError:
            tokens_per_row = float(config.max_length)
            tokens_from = "max_length, an upper bound: no data to look at; give --tokens-per-row"
    return Workload(rows, rows_from, min(tokens_per_row, config.max_length), tokens_from)


def accepted_rows(config: TrainingConfig) -> int:
    """The count in the stage's manifest."""
    place = f"{config.data.store}/{config.data.stage_prefix}"
    try:
        manifest = read_manifest(open_store(config.data.store), config.data.stage_prefix)
    except StoreError as error:
        raise ConfigError(f"data: {place} cannot be read ({error}); give --rows") from error
    if manifest is None:
        raise ConfigError(f"data: {place} has no manifest yet; give --rows")
    if manifest.accepted == 0:
        raise DataError(f"data: {place} has no accepted rows")
    return manifest.accepted


def sampled_tokens(config: TrainingConfig) -> tuple[float, str]:
    """Mean tokens of prompt and answer in the first part, by the model's own tokenizer if it is
    on this machine. Raises StoreError, DataError."""
    store, prefix = open_store(config.data.store), config.data.stage_prefix
    names = list_parts(store, prefix)
    if not names:
        raise DataError(f"data: {store.url}/{prefix} has no parts")
    key = f"{prefix}/{names[0]}"
    table = parse_part(key, store.get(key), ["status", "instruction", "input", "answer"])
    rows = [row for row in table.to_pylist() if row["status"] == "accepted"][:SAMPLE]
    if not rows:
        raise DataError(f"data: {key} has no accepted rows")
    layout = config.layout
    frame = f"{layout.meta_prompts[0]}\n{layout.assistant_header}{layout.end_marker}"
    texts = [f"{frame}{row['instruction']}\n{row['input']}{row['answer']}" for row in rows]
    tokenizer = Path(config.base_model) / "tokenizer.json"
    if tokenizer.is_file():
        return count_tokens(texts, tokenizer), f"the model's tokenizer on {len(rows)} rows"
    mean = sum(map(len, texts)) / len(texts) / CHARACTERS_PER_TOKEN
    return mean, f"{CHARACTERS_PER_TOKEN:g} characters a token on {len(rows)} rows"


def count_tokens(texts: list[str], path: Path) -> float:
    """Mean length in tokens."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return sum(len(encoding.ids) for encoding in tokenizer.encode_batch(texts)) / len(texts)
