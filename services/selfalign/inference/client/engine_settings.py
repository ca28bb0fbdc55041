"""Settings of an engine client."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from selfalign.errors import ConfigError
from selfalign.inference.dialects.dialect import Target
from selfalign.inference.dialects.register import DIALECTS
from selfalign.settings.sampling import MAX_STOP_SEQUENCES
from selfalign.settings.section import HttpUrl, PositiveInt, Section

if TYPE_CHECKING:
    EngineKind = str
else:
    # The register is the one list of kinds; a Literal of it names them in errors and schemas.
    EngineKind = Literal[tuple(DIALECTS)]


class EngineSettings(Section):
    """Which engine to use and how hard to push it."""

    kind: EngineKind = "tgi"
    """tgi: text-generation-inference or our model-server; openai: any server with
    /v1/completions (vLLM, SGLang, llama.cpp)."""
    url: HttpUrl | None = None
    """http://host:port; `/v1` at the end is optional for kind openai."""
    model: str | None = None
    """The model's name in requests (kind openai, where it is needed)."""
    adapter_id: str | None = None
    """A LoRA adapter that TGI has loaded (kind tgi). The first info() makes sure that it is there,
    since TGI answers an unknown one with the base model."""
    token_env: str | None = None
    """Environment variable that holds the bearer token; none without it."""
    tls_ca: Path | None = None
    """CA bundle for https, where the system's does not do."""
    max_concurrency: Annotated[int, Field(ge=1, le=4096)] = 128
    """Requests in the engine at once, at most; 429s and latency lower it for a while."""
    request_timeout_s: Annotated[float, Field(gt=0)] = 900.0
    """Limit of one attempt, inside the deadline of the call."""
    connect_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    """How long a connection may take to open."""
    retry_attempts: Annotated[int, Field(ge=0, le=50)] = 8
    """Retries of one call when the engine is unreachable or fails; being full (429) does not
    count."""
    outage_patience_s: Annotated[float, Field(ge=0)] = 900.0
    """How long an engine that had answered is waited for when it cannot be reached (refused
    connections, 502, 503, 504): large models take minutes to start again. No row fails meanwhile;
    after it the stage ends, to go on with the next run. 0 counts it as failures of single calls."""
    retry_base_s: Annotated[float, Field(gt=0)] = 0.25
    """See `retry_max_s`."""
    retry_max_s: Annotated[float, Field(gt=0)] = 15.0
    """The n-th retry waits a random time below min(retry_max_s, retry_base_s * 2^n)."""
    max_stop_sequences: PositiveInt = MAX_STOP_SEQUENCES
    """More are not sent but applied to the text (TGI: --max-stop-sequences)."""
    top_logprobs: Annotated[int, Field(ge=1, le=1000)] = 5
    """Most likely tokens asked for by next_token_logprobs. 5 is the default limit of TGI
    (--max-top-n-tokens) and of OpenAI's API; raise it with the engine's."""

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        dialect = DIALECTS[self.kind]
        if dialect.needs_model and self.url is not None and not self.model:
            raise ValueError(
                f"model is not set; kind {self.kind} needs the name that the server lists"
            )
        if self.adapter_id is not None and not dialect.takes_adapter:
            kinds = " or ".join(kind for kind, other in DIALECTS.items() if other.takes_adapter)
            raise ValueError(
                f"adapter_id is of kind {kinds}; with kind {self.kind} name it as model"
            )
        return self

    def target(self) -> Target:
        """Whom requests go to.

        Raises:
            ConfigError: no url.
        """
        if self.url is None:
            raise ConfigError(
                "engine.url is not set; expected the engine's address, http://host:port"
            )
        return Target(self.url.rstrip("/"), self.model, self.adapter_id, self.max_stop_sequences)

    def token(self) -> str | None:
        """The engine's bearer token, out of the environment.

        Raises:
            ConfigError: the variable of `token_env` is not set.
        """
        if self.token_env is None:
            return None
        token = os.environ.get(self.token_env)
        if not token:
            raise ConfigError(
                f"engine.token_env: the environment variable {self.token_env} is not set; "
                "set it to the engine's token, or leave token_env out"
            )
        return token
