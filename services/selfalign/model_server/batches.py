"""The rows that generate together: prefill of new rows, one decoding step of all."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from selfalign.model_server.kv_cache import PrefixBuffer, SuffixCache, SuffixSink
from selfalign.model_server.model import LlamaModel, PrefixGroup
from selfalign.model_server.prefix_cache import PrefixEntry, PrefixUse, Tokens
from selfalign.model_server.requests import Running, Token, TokenEvent
from selfalign.model_server.sampling import Choice, choose
from selfalign.model_server.text import TextTokenizer

LOGIT_ROWS = 256
"""Prompt log-probabilities are computed for this many positions at once."""


@dataclass(slots=True)
class PrefixJob:
    """A prefix that is being computed, chunk by chunk, so that running rows go on meanwhile."""

    requester: Running
    tokens: Tokens
    buffer: PrefixBuffer
    logprobs: list[float | None] | None = None
    """Given: collect the prompt's log-probabilities; the prefix itself is thrown away."""

    @property
    def complete(self) -> bool:
        """Whether all tokens are computed."""
        return self.buffer.filled == len(self.tokens)


@dataclass(slots=True)
class Batch:
    """Rows in the order of the cache's rows."""

    model: LlamaModel
    tokenizer: TextTokenizer
    cache: SuffixCache
    rows: list[Running] = field(default_factory=list)

    def uses(self) -> list[PrefixUse]:
        """The prefixes that rows read, without doubles."""
        return list(dict.fromkeys(row.use for row in self.rows if row.use is not None))

    def start_job(
        self, requester: Running, tokens: Tokens, base: PrefixUse | None, *, logprobs: bool = False
    ) -> PrefixJob:
        """Begins a prefix, with the keys and values of a shorter one if there is one."""
        buffer = PrefixBuffer(self.model.config, len(tokens), self.model.dtype)
        known = base.entry.buffer.view(base.length) if base is not None else None
        if known is not None:
            buffer.copy_from(known)
        return PrefixJob(requester, tokens, buffer, [None] if logprobs else None)

    def advance_job(self, job: PrefixJob, chunk: int) -> PrefixEntry | None:
        """Computes the next chunk; returns the entry when it is complete."""
        start = job.buffer.filled
        part: list[int] = job.tokens[start : start + chunk].tolist()
        hidden, _ = self.model.prefill([part], job.buffer.view(), job.buffer)
        job.buffer.advance(len(part))
        if job.logprobs is not None:
            following = job.tokens[start + 1 : start + 1 + len(part)]
            job.logprobs.extend(self._logprobs(hidden, following))
        return PrefixEntry(job.tokens, job.buffer) if job.complete else None

    def _logprobs(self, hidden: torch.Tensor, following: Tokens) -> list[float]:
        values: list[float] = []
        for start in range(0, len(following), LOGIT_ROWS):
            targets = torch.from_numpy(following[start : start + LOGIT_ROWS])
            logits = self.model.logits(hidden[start : start + len(targets)])
            scores = torch.log_softmax(logits, dim=-1).gather(1, targets.unsqueeze(1))
            values.extend(scores.squeeze(1).tolist())
        return values

    def prefill(self, new: Sequence[Running]) -> None:
        """Runs the suffixes of requests with the same prefix and sends their first tokens."""
        suffixes = [request.suffix for request in new]
        kept = [n for n, request in enumerate(new) if not request.single]
        numbers = self.cache.add([len(suffixes[n]) for n in kept]) if kept else []
        self.rows.extend(new[n] for n in kept)
        for n in kept:
            use = new[n].use
            if use is not None:
                use.entry.users += 1
        use = new[0].use
        prefix = use.entry.buffer.view(use.length) if use is not None else None
        sink = SuffixSink(self.cache, kept, numbers)
        hidden, ragged = self.model.prefill(suffixes, prefix, sink)
        logits = self.model.logits(hidden[ragged.last])
        self._send(new, choose(logits, [request.chooser for request in new]))

    def decode(self) -> None:
        """One more token for every row."""
        positions = [
            row.prefix_length + length
            for row, length in zip(self.rows, self.cache.lengths, strict=True)
        ]
        tokens = [row.last_token for row in self.rows]
        hidden = self.model.decode(tokens, positions, self.cache, self._groups())
        logits = self.model.logits(hidden)
        self._send(list(self.rows), choose(logits, [row.chooser for row in self.rows]))

    def drop(self, leaving: Sequence[Running]) -> None:
        """Frees the rows of ended or cancelled requests."""
        gone = {id(request) for request in leaving}
        for number in range(len(self.rows) - 1, -1, -1):
            row = self.rows[number]
            if id(row) not in gone:
                continue
            self.cache.remove(number)
            last = self.rows.pop()
            if last is not row:
                self.rows[number] = last
            if row.use is not None:
                row.use.entry.users -= 1

    def _groups(self) -> list[PrefixGroup]:
        members: dict[PrefixUse, list[int]] = {}
        for number, row in enumerate(self.rows):
            if row.use is not None:
                members.setdefault(row.use, []).append(number)
        groups = []
        for use, numbers in members.items():
            prefix = use.entry.buffer.view(use.length)
            assert prefix is not None
            everyone = len(numbers) == len(self.rows)
            groups.append(PrefixGroup(prefix, None if everyone else torch.tensor(numbers)))
        return groups

    def _send(self, rows: Sequence[Running], choices: Sequence[Choice]) -> None:
        ended = []
        for row, choice in zip(rows, choices, strict=True):
            row.last_token = choice.token
            row.produced += 1
            text = row.decoder.push(choice.token)
            special = choice.token in self.tokenizer.special_ids
            reason = row.stop_rule.push(choice.token, text)
            if reason is not None:
                ended.append(row)
            if not row.cancelled:
                token = Token(choice.token, text, choice.logprob, special)
                row.deliver(TokenEvent(token, self._top(choice), reason))
        self.drop(ended)

    def _top(self, choice: Choice) -> tuple[Token, ...]:
        special = self.tokenizer.special_ids
        return tuple(
            Token(number, self.tokenizer.decode([number]), logprob, number in special)
            for number, logprob in choice.top
        )
