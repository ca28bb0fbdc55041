"""What prompts come from, by the names in a row's column `source`."""

from typing import Literal

SynthesizedSource = Literal["self_instruct", "topic_guided", "template", "request"]
"""The sources that a model writes. `template`: the user's turn of its chat template; `request`: the
same, begun as one of the constitution's requests or look-alikes is."""

SEED = "seed"
"""The task seeds, where a run answers them: ordinary tasks, which thresholds are found on."""
REQUEST: SynthesizedSource = "request"
"""Prompts that may or may not make a rule due: never held out, and looked at closely before they
are answered or declined."""
USER_TURNS: tuple[SynthesizedSource, ...] = ("template", REQUEST)
"""The sources whose prompts a chat model writes as the user's turn of its template."""
