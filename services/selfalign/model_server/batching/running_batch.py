"""The rows that generate together: prefill of new rows, one decoding step of all."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from selfalign.model_server.batching.active_request import ActiveRequest
from selfalign.model_server.batching.given_tokens import scores
from selfalign.model_server.batching.prefix_cache import PrefixUse
from selfalign.model_server.batching.sampler import SampledToken, sample
from selfalign.model_server.batching.token_events import Token, TokenEvent
from selfalign.model_server.batching.tokenizer import TextTokenizer
from selfalign.model_server.transformer.causal_lm import CausalLM, PrefixGroup
from selfalign.model_server.transformer.kv_cache import SuffixCache, SuffixSink


@dataclass(slots=True)
class RunningBatch:
    """Rows in the order of the cache's rows."""

    model: CausalLM
    tokenizer: TextTokenizer
    cache: SuffixCache
    rows: list[ActiveRequest] = field(default_factory=list)

    def prefixes(self) -> list[PrefixUse]:
        """The prefixes that rows read, each once."""
        return list(dict.fromkeys(row.prefix for row in self.rows if row.prefix is not None))

    def prefill(self, new: Sequence[ActiveRequest]) -> None:
        """Runs the suffixes of requests with the same prefix and sends their first tokens."""
        suffixes = [request.suffix for request in new]
        kept = [n for n, request in enumerate(new) if not request.single]
        numbers = self.cache.add([len(suffixes[n]) for n in kept]) if kept else []
        self.rows.extend(new[n] for n in kept)
        for n in kept:
            used = new[n].prefix
            if used is not None:
                used.entry.users += 1
        use = new[0].prefix
        prefix = use.entry.buffer.view(use.length) if use is not None else None
        sink = SuffixSink(self.cache, kept, numbers)
        hidden, ragged = self.model.prefill(suffixes, prefix, sink)
        # Only the last token of each row is followed by a new one: the head, the largest product
        # of a small model, runs over rows, not tokens.
        going = [n for n, request in enumerate(new) if request.prompt.score_from is None]
        if going:
            logits = self.model.logits(hidden[ragged.last[going]])
            rows = [new[n] for n in going]
            self._send(rows, sample(logits, [row.sampling for row in rows]))
        given = [(n, row) for n, row in enumerate(new) if row.prompt.score_from is not None]
        if given:
            for (_, row), score in zip(
                given, scores(self.model, given, hidden, ragged), strict=True
            ):
                if not row.cancelled:
                    row.deliver(score)

    def decode(self) -> None:
        """One more token for every row."""
        positions = [
            row.prefix_length + length
            for row, length in zip(self.rows, self.cache.lengths, strict=True)
        ]
        tokens = [row.last_token for row in self.rows]
        hidden = self.model.decode(tokens, positions, self.cache, self._groups())
        logits = self.model.logits(hidden)
        self._send(list(self.rows), sample(logits, [row.sampling for row in self.rows]))

    def drop(self, leaving: Sequence[ActiveRequest]) -> None:
        """Frees the rows of ended or cancelled requests."""
        gone = {id(request) for request in leaving}
        # From the end: the row that moves into a gap has been looked at already.
        for number in range(len(self.rows) - 1, -1, -1):
            row = self.rows[number]
            if id(row) not in gone:
                continue
            self.cache.remove(number)
            last = self.rows.pop()
            if last is not row:
                self.rows[number] = last
            if row.prefix is not None:
                row.prefix.entry.users -= 1

    def _groups(self) -> list[PrefixGroup]:
        """The rows by the prefix that they read."""
        members: dict[PrefixUse, list[int]] = {}
        for number, row in enumerate(self.rows):
            if row.prefix is not None:
                members.setdefault(row.prefix, []).append(number)
        groups = []
        for use, numbers in members.items():
            prefix = use.entry.buffer.view(use.length)
            assert prefix is not None
            everyone = len(numbers) == len(self.rows)
            groups.append(PrefixGroup(prefix, None if everyone else torch.tensor(numbers)))
        return groups

    def _send(self, rows: Sequence[ActiveRequest], choices: Sequence[SampledToken]) -> None:
        ended = []
        for row, choice in zip(rows, choices, strict=True):
            row.last_token = choice.token
            text = row.decoder.push(choice.token)
            special = choice.token in self.tokenizer.special_ids
            reason = row.stop_rule.push(choice.token, text)
            if reason is not None:
                ended.append(row)
            if not row.cancelled:
                token = Token(choice.token, text, choice.logprob, special)
                row.deliver(TokenEvent(token, self._top(choice), reason))
        self.drop(ended)

    def _top(self, choice: SampledToken) -> tuple[Token, ...]:
        special = self.tokenizer.special_ids
        return tuple(
            Token(number, self.tokenizer.decode([number]), logprob, number in special)
            for number, logprob in choice.top
        )
