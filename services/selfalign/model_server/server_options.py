"""Settings of the model server, without torch: the run configuration checks them too."""

from typing import Annotated, Literal

from pydantic import Field

from selfalign.settings.ports import ENGINE_PORT
from selfalign.settings.sampling import MAX_STOP_SEQUENCES
from selfalign.settings.section import Count, Environment, NonEmpty, Port, PositiveInt, Section


class ModelServerOptions(Section):
    """Limits and addresses; the names are those of TGI's launcher where it has the option."""

    model_id: str | None = None
    """Name of the model in answers; the folder as given by default."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = ENGINE_PORT
    """Port to listen on; 0 picks a free one, which the ready line names."""
    dtype: Literal["auto", "bf16", "fp32"] = "auto"
    """Number format of weights and activations. auto is bf16 on processors that compute in it, and
    fp32 elsewhere: there a prompt in bf16 takes three times as long."""
    slots: Annotated[int, Field(ge=1, le=256)] = 32
    """Requests that generate at the same time; the others wait in the queue."""
    max_concurrent_requests: PositiveInt = 128
    """Requests that may run or wait; one more is answered with 429."""
    max_input_tokens: PositiveInt | None = None
    """Longest prompt; one token less than max_total_tokens by default."""
    max_total_tokens: PositiveInt | None = None
    """Prompt and completion together; the model's context by default."""
    max_best_of: PositiveInt = 2
    """Largest best_of of a request."""
    max_stop_sequences: PositiveInt = MAX_STOP_SEQUENCES
    """Most stop sequences of a request."""
    max_top_n_tokens: PositiveInt = 100
    """Largest top_n_tokens of a request; TGI's own default is 5, and scoring needs more."""
    max_client_batch_size: PositiveInt = 4
    """Most prompts in one request to /v1/completions."""
    payload_limit: PositiveInt = 2_000_000
    """Largest request body in bytes."""
    prefill_tokens: Annotated[int, Field(ge=16, le=65536)] = 512
    """Prompt tokens that are computed between two decoding steps."""
    prefix_cache_tokens: Count = 16_384
    """Tokens of prefixes to remember beyond those that running requests use."""
    api_key: Annotated[str | None, Environment("SELFALIGN_MODEL_SERVER_API_KEY")] = None
    """Bearer token that requests must carry; none by default."""
    threads: PositiveInt | None = None
    """Compute threads; one for each core that the process may use by default."""
    spin: Count = 0
    """How often a compute thread looks for work before it sleeps (libgomp's GOMP_SPINCOUNT). With
    2,000 a small model writes nearly twice as many tokens on two cores of its own, and half as many
    where another process takes one of them. The environment's GOMP_SPINCOUNT or OMP_WAIT_POLICY
    wins."""


class ModelServerSettings(ModelServerOptions):
    """The model to serve."""

    model: NonEmpty
    """Folder in the Hugging Face layout: config.json, tokenizer.json, safetensors."""
