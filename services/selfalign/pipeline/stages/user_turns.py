"""Turns of the user that a chat model writes in its own template: how they are begun.

Of source `template` a share begins as the constitution's requests and ordinary ones do alike, and
the others as the model likes; those of source `request` begin as its requests or look-alikes do.
"""

from collections.abc import Sequence
from itertools import cycle, islice
from random import Random

from selfalign.constitution.beginnings import beginnings
from selfalign.constitution.declining_schema import DecliningRule
from selfalign.constitution.openings import request_openings
from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import ConfigError
from selfalign.layout.template import UserTurn, user_turn
from selfalign.pipeline.run.layout import kept_template
from selfalign.pipeline.run.run import Run
from selfalign.prompt_synthesizer.selection import targets
from selfalign.storage.rows import derive_seed


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


def draw_beginnings(run: Run, count: int, round_: int) -> list[str]:
    """What each of `count` turns of source `request` begins with: every beginning once before any
    comes twice."""
    known = list(turn_beginnings(run))
    Random(derive_seed(run.config.seed, "beginnings", round_)).shuffle(known)
    return list(islice(cycle(known), count))


def turn_openings(run: Run) -> tuple[str, ...]:
    """The openings of the constitution's requests, where turns of the user are begun with them."""
    settings = run.config.prompts
    if not settings.request_openings or not settings.sources.template:
        return ()
    return request_openings(_rules(run))


def turn_beginnings(run: Run) -> tuple[str, ...]:
    """The beginnings of the constitution's requests and look-alikes, where there is a share of
    source `request`.

    Raises:
        ConfigError: there is, and the constitution has no requests long enough.
    """
    if not run.config.prompts.sources.request:
        return ()
    found = tuple(one.words for one in beginnings(_rules(run)))
    if not found:
        raise ConfigError(
            f"prompts.sources.request is {run.config.prompts.sources.request:g}, but the "
            "constitution has no requests to begin with; give its section `declining` requests of "
            "six words and more, or set prompts.sources.request: 0"
        )
    return found


def known_requests(run: Run) -> tuple[str, ...]:
    """The constitution's own requests and look-alikes, which turns of source `request` must differ
    from; none without that source."""
    if not run.config.prompts.sources.request:
        return ()
    return tuple(text for rule in _rules(run) for text in (*rule.requests, *rule.ordinary))


def check_user_turns(run: Run) -> None:
    """Checks what the sources `template` and `request` need.

    Raises:
        ConfigError: no chat template, or one that cannot be used; of source `request` also no
            requests, nobody who looks at them, or too few other prompts to be held out.
    """
    config, sources = run.config, run.config.prompts.sources
    if sources.template or sources.request:
        template_turn(run)
    if not turn_beginnings(run):
        return
    given = f"prompts.sources.request is {sources.request:g}"
    for name, declining in (
        ("align", config.align.declining),
        ("refine", config.refine.declining),
    ):
        if not declining.enabled:
            raise ConfigError(
                f"{given}, but {name}.declining.enabled is false: requests that make a rule due "
                f"would be answered; set {name}.declining.enabled: true, or "
                "prompts.sources.request: 0"
            )
    shares = {"request": sources.request, "others": 1 - sources.request}
    others = targets(config.wanted_prompts, shares)["others"]
    if others < config.evaluate.held_out:
        raise ConfigError(
            f"{given}, which leaves {others} prompts of other sources; evaluate.held_out "
            f"{config.evaluate.held_out} of them are wanted; lower the share, or raise "
            "prompts.count"
        )


def template_turn(run: Run) -> UserTurn:
    """The user's turn in the chat template of the run.

    Raises:
        ConfigError: the run has no chat template, or it cannot be used so.
    """
    template = kept_template(run.config)
    if template is None:
        sources = run.config.prompts.sources
        name = "template" if sources.template else "request"
        share = sources.shares()[name]
        raise ConfigError(
            f"prompts.sources.{name} is {share:g}, but the run has no chat template (layout: "
            f"{run.config.layout}); set layout: chat_template with a base model that has one, or "
            f"prompts.sources.{name}: 0"
        )
    return user_turn(template)


def _rules(run: Run) -> Sequence[DecliningRule]:
    return load_constitution(run.config.constitution).declining
