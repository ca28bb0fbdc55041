"""What a round of stage `prompts` asks for: so many calls of each source."""

import math
from collections import Counter
from random import Random

from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages import topics
from selfalign.pipeline.stages.user_turns import draw_beginnings, draw_openings
from selfalign.prompt_synthesizer.selection import targets
from selfalign.settings.prompt_source import REQUEST, SynthesizedSource
from selfalign.storage.rows import RowStatus, derive_seed
from selfalign.storage.tables import read_rows

NAME = "prompts"
"""The stage's name."""

# Later rounds only top up what the first one fell short of.
TOP_UP_SHARE = 0.5

Hint = tuple[str, str]
"""(question type, topic) of an instruction that is wanted."""
Plan = tuple[SynthesizedSource, int, tuple[Hint, ...], tuple[str, ...]]
"""What one unit asks for: source, completions, hints, openings."""


def plan_round(run: Run, round_: int) -> list[Plan]:
    """The units of one round, from 0; none where all prompts are the user's own."""
    settings = run.config.prompts
    size = settings.completions_per_unit
    wanted = targets(run.config.wanted_prompts, settings.sources.shares())
    scale = 1.0 if round_ == 0 else TOP_UP_SHARE

    def calls(source: SynthesizedSource, expected: float) -> int:
        return math.ceil(scale * wanted[source] / expected)

    def batches(source: SynthesizedSource, expected: float) -> list[Plan]:
        left = calls(source, expected)
        return [(source, min(size, left - start), (), ()) for start in range(0, left, size)]

    turns: dict[SynthesizedSource, list[str]] = {
        "template": draw_openings(run, calls("template", settings.expected_per_turn), round_),
        REQUEST: draw_beginnings(run, calls(REQUEST, settings.expected_per_turn), round_),
    }
    hints = draw_hints(run, calls("topic_guided", settings.expected_per_hint), round_)
    return [
        *batches("self_instruct", settings.expected_per_completion),
        *(
            ("topic_guided", 0, tuple(hints[start : start + size]), ())
            for start in range(0, len(hints), size)
        ),
        *(
            (source, len(openings), (), openings)
            for source, begun in turns.items()
            for start in range(0, len(begun), size)
            for openings in [tuple(begun[start : start + size])]
        ),
    ]


def draw_hints(run: Run, count: int, round_: int) -> list[Hint]:
    """`count` topics: every one once before any comes twice, reshuffled each time round.

    Where a topic may give so many prompts only, a later round begins with those that have fewer.
    """
    known = sorted(_accepted(run, run.prefix(topics.STAGE.name)))
    random = Random(derive_seed(run.config.seed, "hints", round_))
    hints: list[Hint] = []
    at_most = run.config.prompts.max_per_topic
    if at_most is not None and round_:
        given = Counter(
            hint for before in range(round_) for hint in _accepted(run, round_prefix(run, before))
        )
        hints = [hint for hint in known if given[hint] < at_most]
        random.shuffle(hints)
    while known and len(hints) < count:
        random.shuffle(known)
        hints += known
    return hints[:count]


def round_prefix(run: Run, round_: int) -> str:
    """The folder of a round's candidates, from 0: they are not yet rows of the stage."""
    return f"{run.prefix(NAME)}/round-{round_:02d}"


def _accepted(run: Run, prefix: str) -> list[Hint]:
    """(question type, topic) of each row that the local filters accepted."""
    columns = ("question_type", "topic")
    table = read_rows(run.store, prefix, columns=columns, status=RowStatus.ACCEPTED)
    kinds, names = (table[column].to_pylist() for column in columns)
    return list(zip(kinds, names, strict=True))
