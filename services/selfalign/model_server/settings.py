"""Settings of the model server; the command line and nothing else fills them."""

from typing import Annotated, Literal

from pydantic import Field

from selfalign.settings.section import NonEmpty, Port, PositiveInt, Section


class ServerSettings(Section):
    """Limits and addresses; the names are those of TGI's launcher where it has the option."""

    model: NonEmpty
    """A folder in the Hugging Face layout: config.json, tokenizer.json, safetensors."""
    model_id: str | None = None
    """The name to report; None: the folder as given."""
    host: str = "127.0.0.1"
    port: Port = 8080
    """0: any free port; the ready line tells which."""
    dtype: Literal["bf16", "fp32"] = "bf16"
    slots: Annotated[int, Field(ge=1, le=256)] = 32
    """Requests that generate at once; the rest waits in the queue."""
    max_concurrent_requests: PositiveInt = 128
    """Requests running or waiting; one more is answered with 429."""
    max_input_tokens: PositiveInt | None = None
    """None: max_total_tokens - 1."""
    max_total_tokens: PositiveInt | None = None
    """Prompt and completion together; None: the model's context."""
    max_best_of: PositiveInt = 2
    max_stop_sequences: PositiveInt = 4
    max_top_n_tokens: PositiveInt = 100
    """TGI's default is 5; scoring needs more."""
    max_client_batch_size: PositiveInt = 4
    payload_limit: PositiveInt = 2_000_000
    prefill_tokens: Annotated[int, Field(ge=16, le=65536)] = 512
    """Prompt tokens computed at once, between two decoding steps."""
    prefix_cache_tokens: Annotated[int, Field(ge=0)] = 16_384
    """Tokens of remembered prefixes that no running request uses."""
    api_key: str | None = None
    threads: PositiveInt | None = None
    """None: one for every core this process may use."""
