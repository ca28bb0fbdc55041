"""Choosing the next token of every row of a step, with TGI's parameters.

Nucleus sampling (top-p; Holtzman et al. 2020) draws from the smallest set of likeliest tokens that
holds a mass of top_p. The plain way sorts the vocabulary, 50,000 entries a row, which costs more
than the rest of the step. Here a token is drawn from the full distribution and drawn again if it
lies outside the nucleus: the accepted draws have the full distribution given the nucleus, which is
the definition, and whether one token is inside takes no sort. A draw is accepted with a probability
of at least top_p, so one or two are enough as a rule; a nucleus too small to be hit in MAX_DRAWS is
sorted out.

Random numbers come from each request's own generator, in an order that its own draws alone decide:
a seed gives the same text whatever else is in the batch.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from selfalign.model_server.batching.repeated_runs import RepeatedRuns

MAX_DRAWS = 24

TopTokens = tuple[tuple[int, float], ...]
"""(token, log-probability), likeliest first."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one request chooses its tokens."""

    greedy: bool = True
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0
    ngram_penalties: tuple[float, ...] = ()
    """See SamplingParams."""
    seed: int = 0
    top_n_tokens: int = 0
    """How many of the likeliest tokens to report at each place."""


@dataclass(frozen=True, slots=True)
class SampledToken:
    """A chosen token, its log-probability, and the most likely ones."""

    token: int
    logprob: float
    top: TopTokens = ()


@dataclass(slots=True)
class SamplingState:
    """The random state of one request: its draws depend on its seed alone."""

    sampling: Sampling
    seen: set[int] = field(default_factory=set)
    """Tokens of prompt and completion, for the repetition penalty."""
    runs: RepeatedRuns | None = None
    """Runs of the completion, where they are penalised."""
    draws: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.draws = random.Random(self.sampling.seed)


@torch.inference_mode()
def sample(logits: torch.Tensor, states: Sequence[SamplingState]) -> list[SampledToken]:
    """Chooses one token a row.

    Log-probabilities are those after penalty and temperature, before top-k and top-p.

    Args:
        logits: (rows, vocabulary), fp32; changed in place.
    """
    for row, state in enumerate(states):
        _penalise(logits[row], state)
    if any(not state.sampling.greedy for state in states):
        # Greedy rows are not heated: their log-probabilities stay the model's own.
        temperatures = [1.0 if s.sampling.greedy else s.sampling.temperature for s in states]
        if any(value != 1.0 for value in temperatures):
            logits /= torch.tensor(temperatures).unsqueeze(1)
    # Probabilities, and logarithms of single ones: each pass over (rows, vocabulary) counts.
    probabilities = torch.softmax(logits, dim=-1)
    tokens = [-1] * len(states)
    for greedy, choose in ((True, _likeliest), (False, _draw)):
        rows = [row for row, state in enumerate(states) if state.sampling.greedy is greedy]
        if rows:
            # Indexing copies: (rows, vocabulary) as it is where every row chooses so.
            part = probabilities if len(rows) == len(states) else probabilities[rows]
            chosen = choose(part, [states[row] for row in rows])
            for row, token in zip(rows, chosen, strict=True):
                tokens[row] = token
    values = probabilities.gather(1, torch.tensor(tokens).unsqueeze(1)).squeeze(1).log().tolist()
    tops = _top_tokens(logits, states)
    for state, token in zip(states, tokens, strict=True):
        if state.sampling.repetition_penalty != 1.0:
            state.seen.add(token)
        if state.runs is not None:
            state.runs.push(token)
    return [SampledToken(*choice) for choice in zip(tokens, values, tops, strict=True)]


def _penalise(logits: torch.Tensor, state: SamplingState) -> None:
    """Makes what a request has seen less likely; logits: (vocabulary,).

    First what it has seen at all (CTRL; Keskar et al. 2019): logits have both signs, dividing would
    raise a negative one, so that is multiplied. Then what would repeat a run of its tokens.
    """
    penalty = state.sampling.repetition_penalty
    if penalty != 1.0 and state.seen:
        seen = torch.tensor(sorted(state.seen))
        scores = logits[seen]
        logits[seen] = torch.where(scores < 0, scores * penalty, scores / penalty)
    if state.runs is not None:
        for token, deduction in state.runs.deductions().items():
            logits[token] -= deduction


def _likeliest(probabilities: torch.Tensor, states: Sequence[SamplingState]) -> list[int]:
    """The likeliest token of each row of (rows, vocabulary)."""
    tokens: list[int] = probabilities.argmax(dim=-1).tolist()
    return tokens


def _draw(probabilities: torch.Tensor, states: Sequence[SamplingState]) -> list[int]:
    """One token a row of (rows, vocabulary): top-k by sorting, the rest by draws and rejection."""
    tokens = [-1] * len(states)
    open_rows = []
    for row, state in enumerate(states):
        if state.sampling.top_k is not None:
            tokens[row] = _draw_sorted(probabilities[row], state, state.sampling.top_k)
        else:
            open_rows.append(row)
    if not open_rows:
        return tokens
    # Inverse transform sampling: a uniform number's place among the cumulative sums is the token.
    sums = probabilities.cumsum(dim=-1)
    for _ in range(MAX_DRAWS):
        if not open_rows:
            return tokens
        part = sums if len(open_rows) == len(sums) else sums[open_rows]
        draws = torch.tensor([states[row].draws.random() for row in open_rows])
        # Times the last sum, which rounding leaves a little beside 1.
        targets = (draws * part[:, -1]).unsqueeze(1)
        places = torch.searchsorted(part, targets, right=True).clamp_(max=part.shape[1] - 1)
        rejected = []
        for row, token in zip(open_rows, places.squeeze(1).tolist(), strict=True):
            tokens[row] = token
            top_p = states[row].sampling.top_p
            if top_p is not None and not _in_nucleus(probabilities[row], token, top_p):
                rejected.append(row)
        open_rows = rejected
    for row in open_rows:
        tokens[row] = _draw_sorted(probabilities[row], states[row], probabilities.shape[1])
    return tokens


def _in_nucleus(probabilities: torch.Tensor, token: int, top_p: float) -> bool:
    """Whether the likelier tokens of (vocabulary,) alone do not make up `top_p` yet."""
    above = probabilities > probabilities[token]
    return bool((probabilities * above).sum() < top_p)


def _draw_sorted(probabilities: torch.Tensor, state: SamplingState, top_k: int) -> int:
    """Draws from the nucleus of the `top_k` likeliest tokens of (vocabulary,)."""
    sampling = state.sampling
    values, places = probabilities.topk(min(top_k, len(probabilities)))
    # A sum of thousands of fp32 numbers would lose the tail that the last token stands in.
    values = values.double()
    sums = values.cumsum(0)
    if sampling.top_p is not None:
        kept = int(((sums - values) < sampling.top_p * sums[-1]).sum())
        sums, places = sums[:kept], places[:kept]
    target = state.draws.random() * sums[-1]
    return int(places[min(int(torch.searchsorted(sums, target, right=True)), len(places) - 1)])


def _top_tokens(logits: torch.Tensor, states: Sequence[SamplingState]) -> list[TopTokens]:
    """The likeliest tokens of each row of (rows, vocabulary) that asks for them."""
    tops: list[TopTokens] = [() for _ in states]
    rows = [row for row, state in enumerate(states) if state.sampling.top_n_tokens]
    if rows:
        # One call for as many as any row wants; a row that wants fewer takes the first of them.
        most = max(states[row].sampling.top_n_tokens for row in rows)
        # Not logarithms of probabilities: far down the list those are 0 in fp32.
        logprobs = torch.log_softmax(logits[rows], dim=-1)
        values, places = logprobs.topk(min(most, logprobs.shape[1]))
        for row, ids, scores in zip(rows, places.tolist(), values.tolist(), strict=True):
            count = states[row].sampling.top_n_tokens
            tops[row] = tuple(zip(ids[:count], scores[:count], strict=True))
    return tops
