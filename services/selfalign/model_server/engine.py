"""The engine's thread: takes requests, forms batches, runs steps until all is done.

A turn of its loop is: drop the cancelled, then compute a chunk of a shared prefix or prefill a
batch of waiting requests with the same prefix, then decode one token of every running row.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch

from selfalign.model_server.batches import Batch, PrefixJob
from selfalign.model_server.kv_cache import SuffixCache
from selfalign.model_server.model import LlamaModel
from selfalign.model_server.prefix_cache import (
    MIN_SHARED,
    ROUNDING,
    PrefixCache,
    PrefixUse,
    shared_with_waiting,
)
from selfalign.model_server.requests import Event, FailureEvent, Prompt, Running, make_running
from selfalign.model_server.text import TextTokenizer

MAX_SUFFIX = 512
"""A prompt with more tokens of its own gets a prefix of its own: suffixes are padded, it is not."""
LOOK_AHEAD = 64
"""Waiting requests that are compared with the first one."""


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """See ModelServerSettings."""

    slots: int = 32
    prefill_tokens: int = 512
    prefix_cache_tokens: int = 16_384


class Observer(Protocol):
    """Hears of every batch."""

    def batch(self, method: Literal["prefill", "decode"], size: int, seconds: float) -> None:
        """A forward pass of `size` rows is done."""
        ...


class NoObserver:
    """Hears nothing."""

    def batch(self, method: Literal["prefill", "decode"], size: int, seconds: float) -> None:
        """Ignores it."""


class Engine:
    """Runs one model for many threads' requests."""

    def __init__(
        self,
        model: LlamaModel,
        tokenizer: TextTokenizer,
        limits: EngineLimits,
        observer: Observer | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._model = model
        self._limits = limits
        self._observer: Observer = observer or NoObserver()
        self._wake = threading.Condition()
        self._incoming: list[Running] = []
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._reset()

    def _reset(self) -> None:
        cache = SuffixCache(self._model.config, self._limits.slots, self._model.dtype)
        self._batch = Batch(self._model, self._tokenizer, cache)
        self._waiting: deque[Running] = deque()
        self._prefixes = PrefixCache(self._limits.prefix_cache_tokens)
        self._job: PrefixJob | None = None

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread after its current step; open requests fail."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    @property
    def healthy(self) -> bool:
        """Whether the thread is there to serve."""
        return self._thread.is_alive()

    @property
    def slots(self) -> int:
        """Rows that can generate at once."""
        return self._limits.slots

    @property
    def running(self) -> int:
        """Rows that generate now."""
        return len(self._batch.rows)

    @property
    def reserved_tokens(self) -> int:
        """Tokens that the running rows may come to hold: prompts and all they may generate."""
        return sum(
            len(row.prompt.tokens) + row.prompt.max_new_tokens for row in list(self._batch.rows)
        )

    @property
    def waiting(self) -> int:
        """Requests that are not running yet."""
        return len(self._waiting) + len(self._incoming)

    @property
    def remembered_prefixes(self) -> list[int]:
        """Lengths of the remembered prefixes, the least recently used first."""
        return [len(entry.tokens) for entry in self._prefixes.entries]

    def submit(self, prompt: Prompt, deliver: Callable[[Event], None]) -> Running:
        """Queues a request; its events are delivered in the engine's thread."""
        request = make_running(prompt, self._tokenizer, self._model.config.eos_token_ids, deliver)
        with self._wake:
            if self._closing or not self._thread.is_alive():
                deliver(FailureEvent("the engine is not running"))
                return request
            self._incoming.append(request)
            self._wake.notify()
        return request

    def cancel(self, request: Running) -> None:
        """Ends a request: nothing more is delivered, its row is free at the next step."""
        with self._wake:
            request.cancelled = True
            self._wake.notify()

    # Caches grow inside a step and are written to between steps: all of it is inference.
    @torch.inference_mode()
    def _run(self) -> None:
        try:
            while self._take():
                try:
                    self._step()
                except (RuntimeError, MemoryError) as error:  # torch: out of memory and the like
                    self._fail_all(str(error))
        finally:
            with self._wake:
                self._closing = True
                self._waiting.extend(self._incoming)
                self._incoming.clear()
            self._fail_all("the engine was closed")

    def _take(self) -> bool:
        with self._wake:
            while not (self._closing or self._incoming or self._busy()):
                self._wake.wait()
            self._waiting.extend(self._incoming)
            self._incoming.clear()
            return not self._closing

    def _busy(self) -> bool:
        return bool(self._waiting or self._batch.rows or self._job is not None)

    def _fail_all(self, message: str) -> None:
        requests = [*self._batch.rows, *self._waiting]
        self._reset()
        for request in requests:
            if not request.cancelled:
                request.deliver(FailureEvent(message))

    def _step(self) -> None:
        batch = self._batch
        batch.drop([row for row in batch.rows if row.cancelled])
        if any(request.cancelled for request in self._waiting):
            self._waiting = deque(r for r in self._waiting if not r.cancelled)
        if self._job is not None and self._job.requester.cancelled:
            self._job = None
        if self._job is None and self._waiting:
            self._admit()
        if self._job is not None:
            self._advance(self._job)
        if batch.rows:
            began = time.perf_counter()
            size = len(batch.rows)
            batch.decode()
            self._observer.batch("decode", size, time.perf_counter() - began)
        self._prefixes.trim()

    def _advance(self, job: PrefixJob) -> None:
        began = time.perf_counter()
        entry = self._batch.advance_job(job, self._limits.prefill_tokens)
        self._observer.batch("prefill", 1, time.perf_counter() - began)
        if entry is None:
            return
        self._job = None
        if job.logprobs is not None:
            job.requester.prefill = tuple(job.logprobs)
        else:
            self._prefixes.add(entry)

    def _admit(self) -> None:
        """Prefills the first request and those that fit beside it, or starts its prefix."""
        head = self._next()
        if head is None:
            return
        head.started = head.started or time.perf_counter()
        if head.prompt.prefill_logprobs and not head.prefill:
            self._job = self._batch.start_job(head, head.tokens, None, logprobs=True)
            return
        running = self._batch.uses()
        use = self._prefixes.find(head.tokens, running)
        known = use.length if use is not None else 0
        others = [other.tokens for other in self._behind(head)[:LOOK_AHEAD]]
        shared = shared_with_waiting(head.tokens, others)
        own = len(head.tokens) - max(known, shared)
        if own > MAX_SUFFIX:
            shared = (len(head.tokens) - 1) // ROUNDING * ROUNDING
        if shared >= known + MIN_SHARED:
            self._job = self._batch.start_job(head, head.tokens[:shared], use)
            return
        if use is not None and use not in running and known - MIN_SHARED < shared < known:
            use = PrefixUse(use.entry, shared)
            running = [use, *running]
        self._prefill(head, use, running)

    def _next(self) -> Running | None:
        """The request to take now; one that asks for a single token needs no row of the cache."""
        if self._batch.cache.free:
            return self._waiting[0]
        return next((request for request in self._waiting if request.single), None)

    def _behind(self, head: Running) -> list[Running]:
        return [request for request in self._waiting if request is not head]

    def _prefill(self, head: Running, use: PrefixUse | None, running: list[PrefixUse]) -> None:
        head.use = use
        chosen = [head]
        free = self._batch.cache.free - (not head.single)
        budget = self._limits.prefill_tokens - len(head.suffix)
        for other in self._behind(head):
            if other.prompt.prefill_logprobs or not (free or other.single):
                continue
            if self._prefixes.find(other.tokens, running) != use:
                continue
            own = len(other.tokens) - (use.length if use is not None else 0)
            if own > budget:
                break
            other.use = use
            chosen.append(other)
            budget -= own
            free -= not other.single
        began = time.perf_counter()
        for request in chosen:
            self._waiting.remove(request)
            request.started = request.started or began
        self._batch.prefill(chosen)
        self._observer.batch("prefill", len(chosen), time.perf_counter() - began)
