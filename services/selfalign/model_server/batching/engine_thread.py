"""The thread that runs a model: takes requests from other threads, steps until all is done."""

import threading
from collections.abc import Callable

import torch

from selfalign.model_server.batching.active_request import ActiveRequest, Prompt, make_active
from selfalign.model_server.batching.scheduler import BatchObserver, Scheduler, SchedulerLimits
from selfalign.model_server.batching.token_events import Event, FailureEvent
from selfalign.model_server.batching.tokenizer import TextTokenizer
from selfalign.model_server.transformer.causal_lm import CausalLM


class EngineThread:
    """Runs one model for many threads' requests.

    Everything below `submit` and `cancel` happens in its own thread, so that the scheduler needs no
    locks: other threads only leave requests at the door, under `_wake`, and read counts.
    """

    def __init__(
        self,
        model: CausalLM,
        tokenizer: TextTokenizer,
        limits: SchedulerLimits,
        observer: BatchObserver | None = None,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._limits = limits
        self._observer = observer
        self._wake = threading.Condition()
        self._incoming: list[ActiveRequest] = []
        self._closing = False
        self._scheduler = self._new_scheduler()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread after its current step; open requests fail."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def submit(self, prompt: Prompt, deliver: Callable[[Event], None]) -> ActiveRequest:
        """Queues a request; its events are delivered in the engine's thread."""
        request = make_active(prompt, self._tokenizer, self._model.config.eos_token_ids, deliver)
        with self._wake:
            if self._closing or not self._thread.is_alive():
                deliver(FailureEvent("the engine is not running"))
                return request
            self._incoming.append(request)
            self._wake.notify()
        return request

    def cancel(self, request: ActiveRequest) -> None:
        """Ends a request: nothing more is delivered, its row is free at the next step."""
        with self._wake:
            request.cancelled = True
            self._wake.notify()

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
        return len(self._scheduler.batch.rows)

    @property
    def reserved_tokens(self) -> int:
        """Tokens that the running rows may come to hold: prompts and all they may generate."""
        # A copy: the engine's thread may change the list while it is read.
        return sum(row.most_tokens for row in list(self._scheduler.batch.rows))

    @property
    def waiting(self) -> int:
        """Requests that are not running yet."""
        return len(self._scheduler.waiting) + len(self._incoming)

    @property
    def remembered_prefixes(self) -> list[int]:
        """Lengths of the remembered prefixes, the least recently used first."""
        return [len(entry.tokens) for entry in self._scheduler.prefixes.entries]

    # Caches grow inside a step and are written to between steps: all of it is inference.
    @torch.inference_mode()
    def _run(self) -> None:
        try:
            while self._wait_for_work():
                try:
                    self._scheduler.step()
                except (RuntimeError, MemoryError) as error:  # torch: out of memory and the like
                    self._fail_all(str(error))
        finally:
            with self._wake:
                self._closing = True
                self._take_incoming()
            self._fail_all("the engine was closed")

    def _wait_for_work(self) -> bool:
        """Sleeps while there is nothing to do; returns False when the engine is to close."""
        with self._wake:
            while not (self._closing or self._incoming or self._scheduler.busy):
                self._wake.wait()
            self._take_incoming()
            return not self._closing

    def _take_incoming(self) -> None:
        self._scheduler.waiting.extend(self._incoming)
        self._incoming.clear()

    def _fail_all(self, message: str) -> None:
        """Fails what is open and begins anew: after an error no cache can be trusted."""
        open_requests = self._scheduler.open_requests
        self._scheduler = self._new_scheduler()
        for request in open_requests:
            if not request.cancelled:
                request.deliver(FailureEvent(message))

    def _new_scheduler(self) -> Scheduler:
        return Scheduler(self._model, self._tokenizer, self._limits, self._observer)
