"""Computing a prefix chunk by chunk, so that running rows go on meanwhile (chunked prefill)."""

from dataclasses import dataclass

import torch

from selfalign.model_server.batching.active_request import ActiveRequest
from selfalign.model_server.batching.given_tokens import given_logprobs
from selfalign.model_server.batching.prefix_cache import PrefixEntry, PrefixUse, TokenIds
from selfalign.model_server.transformer.causal_lm import CausalLM
from selfalign.model_server.transformer.kv_cache import PrefixBuffer


@dataclass(slots=True)
class PrefixFill:
    """A prefix that is being computed."""

    model: CausalLM
    requester: ActiveRequest
    tokens: TokenIds
    buffer: PrefixBuffer
    logprobs: list[float | None] | None = None
    """Given: collect the prompt's log-probabilities; the prefix itself is thrown away."""

    def advance(self, chunk: int) -> PrefixEntry | None:
        """Computes the next `chunk` tokens; returns the entry when all are there."""
        start = self.buffer.filled
        part: list[int] = self.tokens[start : start + chunk].tolist()
        hidden, _ = self.model.prefill([part], self.buffer.view(), self.buffer)
        self.buffer.advance(len(part))
        if self.logprobs is not None:
            following = self.tokens[start + 1 : start + 1 + len(part)]
            self.logprobs.extend(self._logprobs(hidden, following))
        done = self.buffer.filled == len(self.tokens)
        return PrefixEntry(self.tokens, self.buffer) if done else None

    def _logprobs(self, hidden: torch.Tensor, following: TokenIds) -> list[float]:
        """Of the tokens `following`, each after its hidden state.

        Args:
            hidden: (chunk, hidden).
            following: (chunk,), or one less at the prompt's end, which nothing follows.
        """
        found = given_logprobs(self.model, hidden, torch.from_numpy(following))
        values: list[float] = found.tolist()
        return values


def fill_prefix(
    model: CausalLM, requester: ActiveRequest, length: int, known: PrefixUse | None
) -> PrefixFill:
    """Begins the first `length` tokens of a prompt, from what is known of them already."""
    buffer = PrefixBuffer(model.config, length, model.dtype)
    source = known.entry.buffer.view(known.length) if known is not None else None
    if source is not None:
        buffer.copy_from(source)
    return PrefixFill(model, requester, requester.tokens[:length], buffer)


def score_prompt(model: CausalLM, requester: ActiveRequest) -> PrefixFill:
    """Begins the log-probabilities of a whole prompt; nothing is known before its first token."""
    buffer = PrefixBuffer(model.config, len(requester.tokens), model.dtype)
    return PrefixFill(model, requester, requester.tokens, buffer, logprobs=[None])
