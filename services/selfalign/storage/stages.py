"""The stages of a run, in order: the names of its folders in the store."""

from typing import Literal

StageName = Literal["topics", "prompts", "align", "engrave", "refine", "distill", "evaluate"]

STAGES: tuple[StageName, ...] = (
    "topics",
    "prompts",
    "align",
    "engrave",
    "refine",
    "distill",
    "evaluate",
)
TABLE_STAGES: tuple[StageName, ...] = ("topics", "prompts", "align", "refine")
TRAINING_STAGES: tuple[StageName, ...] = ("engrave", "distill")
