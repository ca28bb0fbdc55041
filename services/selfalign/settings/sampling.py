"""How to sample one completion: the same for every stage, service and engine.

A section whose defaults differ has a subclass: what a file leaves out then keeps that section's
default, not the ones here.
"""

from typing import Annotated

from pydantic import Field

from selfalign.settings.section import NonEmpty, Section

Temperature = Annotated[float, Field(ge=0.0, le=2.0, description="0 means greedy decoding.")]
TopP = Annotated[
    float,
    Field(
        gt=0.0,
        le=1.0,
        description="1 means no nucleus; clients leave it out of the request, since TGI refuses 1.",
    ),
]
RepetitionPenalty = Annotated[
    float,
    Field(gt=0.0, description="Divides the scores of tokens that stand in the text; 1 means none."),
]
NewTokens = Annotated[int, Field(ge=1, description="Length limit of one completion.")]


NgramPenalty = Annotated[float, Field(ge=0.0, le=100.0)]

MAX_STOP_SEQUENCES = 4
"""What an engine takes in one request, by the default of TGI's --max-stop-sequences."""


class SamplingParams(Section):
    """How to sample one completion. Ranges are those that TGI accepts (TGI 3.3 validation.rs)."""

    max_new_tokens: NewTokens = 256
    temperature: Temperature = 0.0
    top_p: TopP = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    """0 means no top-k."""
    repetition_penalty: RepetitionPenalty = 1.0
    ngram_penalties: Annotated[tuple[NgramPenalty, ...], Field(max_length=4)] = ()
    """Taken off a token's score for each time that it has ended the same run of tokens in this
    completion: for runs of one token, of two, three and four; tokens that begin a word alone. The
    authors' stage 4 has [0, 0, 1, 2]. Of the engines only the model-server offers it."""
    stop: tuple[NonEmpty, ...] = ()
    """Texts that end the completion, which does not contain them."""
