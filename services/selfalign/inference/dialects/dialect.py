"""The contract of a dialect: what one HTTP API wants to hear, and how its answers read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

from selfalign.inference.contract.engine import ContinuationScore, EngineInfo, FinishReason
from selfalign.inference.http.http_messages import HttpRequest, HttpResponse
from selfalign.settings.sampling import MAX_STOP_SEQUENCES, SamplingParams

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Target:
    """Whom the requests go to: what of EngineSettings is written into them."""

    url: str
    """http://host:port, maybe with a path; without a slash at the end."""
    model: str | None = None
    """The model's name in requests; set where the dialect has `needs_model`."""
    adapter_id: str | None = None
    """A LoRA adapter that the engine has loaded; None asks the base model."""
    max_stop_sequences: int = MAX_STOP_SEQUENCES
    """The engine refuses more than these. The others need not be sent: the caller cuts the text."""


@dataclass(frozen=True, slots=True)
class ApiCall(Generic[Value]):
    """A request, and how to read its answer."""

    request: HttpRequest
    read: Callable[[HttpResponse], Value]
    """Given a response with status 200. Raises EngineError if it is not what the API promises (as
    `parse` does) and nothing else, whatever the body."""


@dataclass(frozen=True, slots=True)
class Generated:
    """What an engine wrote, before it is cut at stop sequences."""

    text: str
    """Without special tokens. It may go on past a stop sequence, which the caller cuts off."""
    finish_reason: FinishReason | None
    """None where the engine did not say; the caller then tells by the number of tokens."""
    prompt_tokens: int
    """Special tokens included; 0 where the engine did not say."""
    completion_tokens: int
    """As above."""


class Dialect(Protocol):
    """One HTTP API, for one target.

    A dialect builds requests and reads answers; it sends nothing, waits for nothing and remembers
    nothing. Admission, retries, time limits, HTTP statuses other than 200, stop sequences inside a
    token and counts are the HttpEngine's. To add one: a file here, and its line in the register.
    """

    needs_model: ClassVar[bool]
    """Requests name the model, so `engine.model` must be set."""
    takes_adapter: ClassVar[bool]
    """Requests may name a LoRA adapter beside the model, as `engine.adapter_id` does."""

    def __init__(self, target: Target) -> None: ...

    def generate(self, prompt: str, params: SamplingParams, seed: int | None) -> ApiCall[Generated]:
        """One completion of `prompt`, not streamed.

        `params` are to be kept to the letter: temperature 0 is greedy; top_p 1, top_k 0 and
        repetition_penalty 1 switch those off, and APIs that refuse these values must not be sent
        them. Without a seed, sampling is free.
        """
        ...

    def next_token_logprobs(self, prompt: str, top: int) -> ApiCall[Mapping[str, float]]:
        """The `top` most likely tokens after `prompt`, each with its natural log-probability.

        The keys are the tokens' texts as the engine shows them, the leading space included where
        it does. Of the distribution itself: temperature and penalties play no part.
        """
        ...

    def score_all(
        self, prompt: str, continuations: Sequence[str]
    ) -> ApiCall[list[ContinuationScore]] | None:
        """All continuations in one request, by an API made for it; None without one.

        A server of the kind may lack the route and answer 404: `score` is asked then, and from
        then on.
        """
        ...

    def score(
        self, prompt: str, continuation: str, prompt_ids: Sequence[int] | None
    ) -> ApiCall[ContinuationScore]:
        """One continuation, by the log-probabilities that the API gives of a prompt's tokens.

        A token that stands across the border counts with the continuation where the API tells ids,
        with the prompt where it tells offsets; prompts that end at a token's border have none.
        `read` raises LogprobsUnsupported where the server left them out.

        Args:
            prompt_ids: The prompt's tokens, of `token_ids`; None where there is no such API.
        """
        ...

    def token_ids(self, text: str) -> ApiCall[list[int]] | None:
        """The tokens of `text`, special tokens included; None without such an API."""
        ...

    def count_tokens(self, text: str) -> ApiCall[int] | None:
        """How many tokens `text` has, special tokens included; None without such an API."""
        ...

    def info(self) -> ApiCall[EngineInfo]:
        """What the engine says of itself; fields that the API does not tell are None."""
        ...
