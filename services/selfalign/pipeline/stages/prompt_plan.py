"""What a round of stage `prompts` asks for: so many calls of each source."""

import math
from collections import Counter
from itertools import cycle
from random import Random
from typing import Literal

from selfalign.constitution.openings import request_openings
from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import ConfigError
from selfalign.layout.template import UserTurn, user_turn
from selfalign.pipeline.run.layout import kept_template
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages import topics
from selfalign.prompt_synthesizer.selection import targets
from selfalign.storage.rows import RowStatus, derive_seed
from selfalign.storage.tables import read_rows

NAME = "prompts"
"""The stage's name."""

# Later rounds only top up what the first one fell short of.
TOP_UP_SHARE = 0.5

Source = Literal["self_instruct", "topic_guided", "template"]
Hint = tuple[str, str]
"""(question type, topic) of an instruction that is wanted."""
Plan = tuple[Source, int, tuple[Hint, ...], tuple[str, ...]]
"""What one unit asks for: source, completions, hints, openings."""


def plan_round(run: Run, round_: int) -> list[Plan]:
    """The units of one round, from 0; none where all prompts are the user's own."""
    settings = run.config.prompts
    size = settings.completions_per_unit
    wanted = targets(wanted_prompts(run), settings.sources.shares())
    scale = 1.0 if round_ == 0 else TOP_UP_SHARE

    def calls(source: Source, expected: float) -> int:
        return math.ceil(scale * wanted[source] / expected)

    def batches(source: Source, expected: float) -> list[Plan]:
        left = calls(source, expected)
        return [(source, min(size, left - start), (), ()) for start in range(0, left, size)]

    turns = draw_openings(run, calls("template", settings.expected_per_turn), round_)
    hints = draw_hints(run, calls("topic_guided", settings.expected_per_hint), round_)
    return [
        *batches("self_instruct", settings.expected_per_completion),
        *(
            ("topic_guided", 0, tuple(hints[start : start + size]), ())
            for start in range(0, len(hints), size)
        ),
        *(
            ("template", len(openings), (), openings)
            for start in range(0, len(turns), size)
            for openings in [tuple(turns[start : start + size])]
        ),
    ]


def wanted_prompts(run: Run) -> int:
    """Accepted prompts that the stage must end with, the held-out ones included."""
    return run.config.prompts.count + run.config.evaluate.held_out


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


def draw_openings(run: Run, count: int, round_: int) -> list[str]:
    """What each of `count` turns of the user begins with, empty where the model chooses: the given
    openings are spread evenly, and every one comes once before any comes twice."""
    known = list(turn_openings(run))
    Random(derive_seed(run.config.seed, "openings", round_)).shuffle(known)
    share = run.config.prompts.request_openings if known else 0.0
    given = cycle(known)
    return [
        next(given) if int((turn + 1) * share) > int(turn * share) else "" for turn in range(count)
    ]


def turn_openings(run: Run) -> tuple[str, ...]:
    """The openings of the constitution's requests, where turns of the user are begun with them."""
    settings = run.config.prompts
    if not settings.request_openings or not settings.sources.template:
        return ()
    return request_openings(load_constitution(run.config.constitution).declining)


def round_prefix(run: Run, round_: int) -> str:
    """The folder of a round's candidates, from 0: they are not yet rows of the stage."""
    return f"{run.prefix(NAME)}/round-{round_:02d}"


def _accepted(run: Run, prefix: str) -> list[Hint]:
    """(question type, topic) of each row that the local filters accepted."""
    columns = ("question_type", "topic")
    table = read_rows(run.store, prefix, columns=columns, status=RowStatus.ACCEPTED)
    kinds, names = (table[column].to_pylist() for column in columns)
    return list(zip(kinds, names, strict=True))


def template_turn(run: Run) -> UserTurn:
    """The user's turn in the chat template of the run.

    Raises:
        ConfigError: the run has no chat template, or it cannot be used so.
    """
    template = kept_template(run.config)
    if template is None:
        raise ConfigError(
            f"prompts.sources.template is {run.config.prompts.sources.template:g}, but the run has "
            f"no chat template (layout: {run.config.layout}); set layout: chat_template with a "
            "base model that has one, or prompts.sources.template: 0"
        )
    return user_turn(template)
