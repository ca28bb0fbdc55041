"""What the model computes next: continuous batching around shared prefixes.

The policy, and why it is so:

- Every step decodes one token of every running row. A step reads all weights once, whether for one
  row or for thirty, so rows ride almost for free, and a row that ends is replaced at the next step
  rather than when the whole batch is done.
- At most `prefill_tokens` prompt tokens are computed between two decoding steps. A prompt of 4,000
  tokens takes seconds on a CPU; in one piece it would hold up every stream for that long.
- A prefix that several requests share is computed before them, by itself, and remembered. Requests
  behind it then cost their own few tokens. It pays if it saves some tokens, see Sharing.
- Requests are prefilled together if they read the same prefix: one call has one prefix. The first
  that waits decides which; those behind it join while they fit.
- Order is first come, first served among requests that need a row. A request for a single token
  needs none (its keys are never read again), so scoring does not wait behind long answers.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

from selfalign.model_server.batching.active_request import ActiveRequest
from selfalign.model_server.batching.prefix_cache import (
    ROWS,
    PrefixCache,
    PrefixUse,
    shared_with_waiting,
)
from selfalign.model_server.batching.prefix_fill import PrefixFill, fill_prefix, score_prompt
from selfalign.model_server.batching.running_batch import RunningBatch
from selfalign.model_server.batching.tokenizer import TextTokenizer
from selfalign.model_server.transformer.causal_lm import CausalLM
from selfalign.model_server.transformer.kv_cache import SuffixCache

MAX_SUFFIX = 512
"""A prompt with more tokens of its own gets a prefix of its own: suffixes are padded, it is not."""
LOOK_AHEAD = 64
"""Waiting requests that are compared with the first one."""


@dataclass(frozen=True, slots=True)
class SchedulerLimits:
    """See ModelServerSettings."""

    slots: int = 32
    prefill_tokens: int = 512
    prefix_cache_tokens: int = 16_384


class BatchObserver(Protocol):
    """Hears of every forward pass."""

    def batch(self, method: Literal["prefill", "decode"], size: int, seconds: float) -> None:
        """A forward pass of `size` rows is done."""
        ...


class Scheduler:
    """The waiting and the running requests of one model, advanced step by step."""

    def __init__(
        self,
        model: CausalLM,
        tokenizer: TextTokenizer,
        limits: SchedulerLimits,
        observer: BatchObserver | None = None,
    ) -> None:
        self._model = model
        self._limits = limits
        self._observer = observer
        self.waiting: deque[ActiveRequest] = deque()
        self.batch = RunningBatch(
            model, tokenizer, SuffixCache(model.config, limits.slots, model.dtype)
        )
        self.prefixes = PrefixCache(limits.prefix_cache_tokens)
        self._filling: PrefixFill | None = None
        self._entering: Sequence[ActiveRequest] = ()
        """In the prefill under way: waiting no more, and running only if it succeeds."""

    @property
    def open_requests(self) -> list[ActiveRequest]:
        """Every request that is not ended, also in the middle of a step that failed."""
        return list(dict.fromkeys([*self.batch.rows, *self._entering, *self.waiting]))

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self.waiting or self.batch.rows)

    def step(self) -> None:
        """One turn: take up what waits, one chunk of prompts at most, then decode every row."""
        self._drop_cancelled()
        # Before decoding, so that what is taken up joins this step's pass already.
        if self._filling is None and self.waiting:
            self._admit()
        if self._filling is not None:
            self._advance(self._filling)
        if self.batch.rows:
            with self._timed("decode", len(self.batch.rows)):
                self.batch.decode()
        self.prefixes.trim()

    def _drop_cancelled(self) -> None:
        self.batch.drop([row for row in self.batch.rows if row.cancelled])
        if any(request.cancelled for request in self.waiting):
            self.waiting = deque(r for r in self.waiting if not r.cancelled)
        if self._filling is not None and self._filling.requester.cancelled:
            self._filling = None

    def _admit(self) -> None:
        """Prefills the first request and those that fit beside it, or begins its prefix."""
        head = self._next()
        if head is None:
            return
        head.started = head.started or time.perf_counter()
        if head.prompt.prefill_logprobs and not head.prefill_logprobs:
            self._filling = score_prompt(self._model, head)
            return
        running = self.batch.prefixes()
        use = self.prefixes.find(head.shareable, running, head.sharing)
        known = use.length if use is not None else 0
        shared = self._length_to_share(head, known)
        least = head.sharing.least
        if shared >= known + least:
            # `head` waits for it; when it is complete, `find` has it.
            self._filling = fill_prefix(self._model, head, shared, use)
            return
        if use is not None and use not in running and known - least < shared < known:
            # The others share a little less than what is remembered: all of them at that length
            # make one group, where this one at its full length would make two.
            use = PrefixUse(use.entry, shared)
            running = [use, *running]
        self._prefill(self._companions(head, use, running))

    def _next(self) -> ActiveRequest | None:
        """The request to take now; one that asks for a single token needs no row of the cache."""
        if self.batch.cache.free:
            return self.waiting[0]
        # All rows taken: only what needs none can go on.
        return next((request for request in self.waiting if request.single), None)

    def _length_to_share(self, head: ActiveRequest, known: int) -> int:
        """How many tokens of the prompt should lie in a prefix, beyond the `known` ones or not."""
        tokens = head.shareable
        others = [other.shareable for other in self._behind(head)[:LOOK_AHEAD]]
        shared = shared_with_waiting(tokens, others, head.sharing)
        if len(tokens) - max(known, shared) > MAX_SUFFIX:
            # As a prefix it is computed in chunks, and the next turn of a dialogue finds it again.
            return (len(tokens) - 1) // ROWS.rounding * ROWS.rounding
        return shared

    def _behind(self, head: ActiveRequest) -> list[ActiveRequest]:
        return [request for request in self.waiting if request is not head]

    def _companions(
        self, head: ActiveRequest, use: PrefixUse | None, running: Sequence[PrefixUse]
    ) -> list[ActiveRequest]:
        """`head` and the waiting requests that are prefilled with it, behind the same prefix."""
        head.prefix = use
        chosen = [head]
        free = self.batch.cache.free - (not head.single)
        budget = self._limits.prefill_tokens - len(head.suffix)
        for other in self._behind(head):
            if other.prompt.prefill_logprobs or not (free or other.single):
                continue
            # Another prefix, or more of this one: its turn comes as the first of its own kind.
            if self.prefixes.find(other.shareable, running, other.sharing) != use:
                continue
            own = len(other.tokens) - (use.length if use is not None else 0)
            # Not `continue`: shorter ones that came later would overtake it again and again.
            if own > budget:
                break
            other.prefix = use
            chosen.append(other)
            budget -= own
            free -= not other.single
        return chosen

    def _prefill(self, chosen: Sequence[ActiveRequest]) -> None:
        for request in chosen:
            self.waiting.remove(request)
            request.started = request.started or time.perf_counter()
        self._entering = chosen
        with self._timed("prefill", len(chosen)):
            self.batch.prefill(chosen)
        self._entering = ()

    def _advance(self, filling: PrefixFill) -> None:
        """One more chunk of a prefix; its requester waits until it is complete."""
        with self._timed("prefill", 1):
            entry = filling.advance(self._limits.prefill_tokens)
        if entry is None:
            return
        self._filling = None
        if filling.logprobs is not None:
            filling.requester.prefill_logprobs = tuple(filling.logprobs)
        else:
            self.prefixes.add(entry)

    @contextmanager
    def _timed(self, method: Literal["prefill", "decode"], size: int) -> Iterator[None]:
        """Tells the observer of a pass that was completed."""
        began = time.perf_counter()
        yield
        if self._observer is not None:
            self._observer.batch(method, size, time.perf_counter() - began)
