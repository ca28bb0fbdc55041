"""How many topics a run needs where one topic gives so many prompts at most.

`prompts.max_per_topic` keeps the first instructions of a topic alone (one in the paper), so the
topic-guided prompts need as many topics, and more, since not every topic yields an instruction.
"""

import math

from selfalign.errors import ConfigError
from selfalign.pipeline.run.config import RunConfig
from selfalign.pipeline.run.prompts_settings import TopicsSettings


def topic_guided_prompts(config: RunConfig) -> int:
    """The topic-guided ones of the prompts that the run ends with, the held-out ones included."""
    # Shares are decimal numbers: 0.27 of 100 are 27, and not a little more.
    return math.ceil(round(config.wanted_prompts * config.prompts.sources.topic_guided, 6))


def needed_topics(config: RunConfig) -> int:
    """Topics of which one round of `max_per_topic` instructions each is likely to be enough; 0
    where a topic may give any number."""
    settings = config.prompts
    if settings.max_per_topic is None:
        return 0
    guided = topic_guided_prompts(config)
    return math.ceil(guided / settings.max_per_topic / settings.expected_per_hint)


def with_enough_topics(config: RunConfig, *, count: bool, max_completions: bool) -> RunConfig:
    """The configuration with the topics that its prompts need, if it has fewer.

    Args:
        count: Whether `topics.count` may be raised: the user has not named it.
        max_completions: The same of `topics.max_completions`, which grows as the count does.
    """
    changes: dict[str, int] = {}
    topics, needed = config.topics, needed_topics(config)
    if count and needed > topics.count:
        changes["count"] = needed
    # So many completions for a topic as the defaults allow.
    usual = TopicsSettings()
    wanted = changes.get("count", topics.count)
    completions = math.ceil(usual.max_completions * wanted / usual.count)
    if max_completions and needed and completions > topics.max_completions:
        changes["max_completions"] = completions
    return config.model_copy(update={"topics": topics.model_copy(update=changes)})


def check_topics(config: RunConfig) -> None:
    """Refuses a number of topics with which the prompts' share cannot be reached.

    Raises:
        ConfigError: `topics.count` is too small for `prompts.max_per_topic`.
    """
    settings, count = config.prompts, config.topics.count
    guided = topic_guided_prompts(config)
    if settings.max_per_topic is None or count * settings.max_per_topic >= guided:
        return
    raise ConfigError(
        f"topics.count is {count}, of which prompts.max_per_topic {settings.max_per_topic} keeps "
        f"{count * settings.max_per_topic} prompts at most; {guided} topic-guided ones are wanted "
        f"(prompts.sources.topic_guided {settings.sources.topic_guided:g} of prompts.count "
        f"{settings.count} and evaluate.held_out {config.evaluate.held_out}). Leave topics.count "
        f"out, or raise it to {needed_topics(config)} (prompts.expected_per_hint "
        f"{settings.expected_per_hint:g} of them yield an instruction)"
    )
