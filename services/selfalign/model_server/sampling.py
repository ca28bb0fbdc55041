"""Choosing the next token of every row of a step, with TGI's parameters.

Nucleus sampling draws from the full distribution and draws again if the token lies outside the
nucleus: exact, and it needs no sort of the vocabulary. A nucleus too small to be hit in a few draws
is sorted out.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

MAX_DRAWS = 24


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one request chooses its tokens."""

    greedy: bool = True
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0
    seed: int = 0
    top_n_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen token, its log-probability, and the most likely ones, likeliest first."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(slots=True)
class Chooser:
    """The random state of one request: its draws depend on its seed alone."""

    sampling: Sampling
    seen: set[int] = field(default_factory=set)
    """Tokens of prompt and completion, for the repetition penalty."""
    draws: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.draws = random.Random(self.sampling.seed)


@torch.inference_mode()
def choose(logits: torch.Tensor, choosers: Sequence[Chooser]) -> list[Choice]:
    """Chooses one token a row.

    Log-probabilities are those after penalty and temperature, before top-k and top-p.

    Args:
        logits: (rows, vocabulary), fp32; changed in place.
    """
    for row, chooser in enumerate(choosers):
        _penalise(logits[row], chooser)
    if any(not chooser.sampling.greedy for chooser in choosers):
        temperatures = [1.0 if c.sampling.greedy else c.sampling.temperature for c in choosers]
        if any(value != 1.0 for value in temperatures):
            logits /= torch.tensor(temperatures).unsqueeze(1)
    logprobs = torch.log_softmax(logits, dim=-1)
    tokens: list[int] = logprobs.argmax(dim=-1).tolist()
    drawn = [row for row, chooser in enumerate(choosers) if not chooser.sampling.greedy]
    if drawn:
        everything = len(drawn) == len(choosers)
        part = logprobs if everything else logprobs[drawn]
        chosen = _draw(part.exp(), [choosers[row] for row in drawn])
        for row, token in zip(drawn, chosen, strict=True):
            tokens[row] = token
    values = logprobs.gather(1, torch.tensor(tokens).unsqueeze(1)).squeeze(1).tolist()
    tops = _top_tokens(logprobs, choosers)
    for chooser, token in zip(choosers, tokens, strict=True):
        if chooser.sampling.repetition_penalty != 1.0:
            chooser.seen.add(token)
    return [Choice(*choice) for choice in zip(tokens, values, tops, strict=True)]


def _penalise(logits: torch.Tensor, chooser: Chooser) -> None:
    penalty = chooser.sampling.repetition_penalty
    if penalty != 1.0 and chooser.seen:
        seen = torch.tensor(sorted(chooser.seen))
        scores = logits[seen]
        logits[seen] = torch.where(scores < 0, scores * penalty, scores / penalty)


def _draw(probabilities: torch.Tensor, choosers: Sequence[Chooser]) -> list[int]:
    tokens = [-1] * len(choosers)
    open_rows = []
    for row, chooser in enumerate(choosers):
        if chooser.sampling.top_k is not None:
            tokens[row] = _draw_sorted(probabilities[row], chooser, chooser.sampling.top_k)
        else:
            open_rows.append(row)
    if not open_rows:
        return tokens
    sums = probabilities.cumsum(dim=-1)
    for _ in range(MAX_DRAWS):
        if not open_rows:
            return tokens
        part = sums if len(open_rows) == len(sums) else sums[open_rows]
        draws = torch.tensor([choosers[row].draws.random() for row in open_rows])
        targets = (draws * part[:, -1]).unsqueeze(1)
        places = torch.searchsorted(part, targets, right=True).clamp_(max=part.shape[1] - 1)
        rejected = []
        for row, token in zip(open_rows, places.squeeze(1).tolist(), strict=True):
            tokens[row] = token
            top_p = choosers[row].sampling.top_p
            if top_p is not None and not _in_nucleus(probabilities[row], token, top_p):
                rejected.append(row)
        open_rows = rejected
    for row in open_rows:
        tokens[row] = _draw_sorted(probabilities[row], choosers[row], probabilities.shape[1])
    return tokens


def _in_nucleus(probabilities: torch.Tensor, token: int, top_p: float) -> bool:
    """The nucleus is the smallest set of likeliest tokens with a mass of at least `top_p`."""
    above = probabilities > probabilities[token]
    return bool((probabilities * above).sum() < top_p)


def _draw_sorted(probabilities: torch.Tensor, chooser: Chooser, top_k: int) -> int:
    """Draws from the nucleus of the `top_k` likeliest tokens."""
    sampling = chooser.sampling
    values, places = probabilities.topk(min(top_k, len(probabilities)))
    values = values.double()
    sums = values.cumsum(0)
    if sampling.top_p is not None:
        kept = int(((sums - values) < sampling.top_p * sums[-1]).sum())
        sums, places = sums[:kept], places[:kept]
    target = chooser.draws.random() * sums[-1]
    return int(places[min(int(torch.searchsorted(sums, target, right=True)), len(places) - 1)])


def _top_tokens(
    logprobs: torch.Tensor, choosers: Sequence[Chooser]
) -> list[tuple[tuple[int, float], ...]]:
    tops: list[tuple[tuple[int, float], ...]] = [() for _ in choosers]
    rows = [row for row, chooser in enumerate(choosers) if chooser.sampling.top_n_tokens]
    if rows:
        most = max(choosers[row].sampling.top_n_tokens for row in rows)
        values, places = logprobs[rows].topk(min(most, logprobs.shape[1]))
        for row, ids, scores in zip(rows, places.tolist(), values.tolist(), strict=True):
            count = choosers[row].sampling.top_n_tokens
            tops[row] = tuple(zip(ids[:count], scores[:count], strict=True))
    return tops
