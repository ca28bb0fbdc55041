"""Log-probabilities of tokens that are given: of a prompt, or of continuations that are scored."""

from collections.abc import Sequence

import torch

from selfalign.model_server.batching.active_request import ActiveRequest
from selfalign.model_server.batching.token_events import ScoreEvent
from selfalign.model_server.transformer.causal_lm import CausalLM
from selfalign.model_server.transformer.ragged import RaggedRows

LOGIT_ROWS = 256
"""Computed for this many positions at once: the scores of a whole prompt, (tokens, vocabulary) in
fp32, would take more memory than a small model."""


def given_logprobs(model: CausalLM, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The log-probability of each target after its hidden state.

    Args:
        hidden: Final hidden states, (positions, hidden).
        targets: Token ids, (positions,).

    Returns:
        (positions,), fp32.
    """
    values = []
    for start in range(0, len(targets), LOGIT_ROWS):
        part = targets[start : start + LOGIT_ROWS]
        logits = model.logits(hidden[start : start + len(part)])
        # As log_softmax, without writing a second (positions, vocabulary).
        chosen = logits.gather(1, part.unsqueeze(1)).squeeze(1)
        values.append(chosen - torch.logsumexp(logits, dim=-1))
    return torch.cat(values) if values else torch.zeros(0)


def scores(
    model: CausalLM, rows: Sequence[tuple[int, ActiveRequest]], hidden: torch.Tensor, at: RaggedRows
) -> list[ScoreEvent]:
    """The scores of rows that were prefilled: only the positions before scored tokens get a head.

    Args:
        rows: Each with its number in the prefill.
        hidden: Final hidden states of the whole prefill, packed (tokens, hidden).
        at: Where its rows lie in them.
    """
    places, targets, counts = [], [], []
    for number, row in rows:
        first = row.prompt.score_from
        assert first is not None and row.prefix_length < first
        wanted = row.tokens[first:]
        # The hidden state of a position decides the token behind it.
        last = int(at.last[number])
        places.append(torch.arange(last - len(wanted), last))
        targets.append(torch.from_numpy(wanted))
        counts.append(len(wanted))
    found = given_logprobs(model, hidden[torch.cat(places)], torch.cat(targets))
    return [
        ScoreEvent(float(part.sum()), len(part)) for part in torch.split(found.double(), counts)
    ]
