"""Settings that earlier versions did not have, with the values that give those versions' results.

Whoever adds a setting that a stage depends on adds it to ADDED, so that stored runs go on.
"""

from collections.abc import Mapping
from typing import Any

_FORM_FILTERS_OFF = {
    "exemplar_turn_run": 0,
    "repeated_parts": False,
    "input_copy_share": 1.0,
    "other_language": False,
    "rules_cited": False,
    "introductions": False,
    "control_characters": False,
}
_NO_SELECTION = {
    "candidates": 1,
    "temperature": None,
    "top_p": None,
    "min_ratio": None,
    "copied_share": 1.0,
}
_NO_DECLINING = {
    "enabled": False,
    "quantile": 0.95,
    "request_quantile": 0.5,
    "look_alike_quantile": 0.8,
    "detected": "decline",
    "opening_given": True,
    "continued": False,
    "answers_per_request": 3,
    "answers_per_look_alike": 1,
    "max_share": 0.15,
}
_INSTRUCTION_FILTERS_OFF: Mapping[str, Any] = {"endings": [], "max_chars": None}
_FILE_FILTERS = {
    "min_words": 4,
    "max_words": 150,
    "blacklist": [
        *("image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map"),
        *("maps", "draw", "plot", "go to", "video", "audio", "music", "flowchart", "diagram"),
    ],
    "bad_first_character": True,
    "non_ascii_start": True,
    "echo": False,
    "endings": [],
    "max_chars": 6000,
}
_TEMPLATE: Mapping[str, Any] = {
    "sampling": {
        "max_new_tokens": 128,
        "temperature": 0.8,
        "top_p": 0.95,
        "top_k": 0,
        "repetition_penalty": 1.0,
        "ngram_penalties": [],
        "stop": [],
    },
    "filters": {
        **_FILE_FILTERS,
        "max_words": 50,
        "echo": True,
        "endings": [".", "?", "!"],
        "max_chars": None,
    },
}
_SAMPLED = (
    *("synthesizer.topics", "synthesizer.self_instruct", "synthesizer.topic_guided"),
    *("synthesizer.template", "align", "refine", "evaluate"),
)
ADDED: Mapping[str, Any] = {
    "prompts.file": None,
    "prompts.fields": {"instruction": None, "input": None},
    "prompts.file_filters": _FILE_FILTERS,
    "prompts.expected_per_turn": 0.5,
    "prompts.request_openings": 0.0,
    "prompts.sources.request": 0.0,
    "prompts.seed_tasks": False,
    "prompts.opening_words": 3,
    "prompts.max_opening_share": 0.04,
    "prompts.max_per_topic": None,
    "synthesizer.template": _TEMPLATE,
    "synthesizer.instructions": "one_line",
    **{
        f"synthesizer.{source}.filters.{name}": value
        for source in ("self_instruct", "topic_guided")
        for name, value in _INSTRUCTION_FILTERS_OFF.items()
    },
    **{f"synthesizer.{section}.fit": {"min_ratio": None} for section in ("topics", "topic_guided")},
    **{f"{section}.sampling.ngram_penalties": [] for section in _SAMPLED},
    "layout": "headers",
    "chat_template": None,
    "end_of_turn": "marker",
    **{
        f"{section}.filters.{name}": value
        for section in ("align", "refine")
        for name, value in {"preset": "ours", **_FORM_FILTERS_OFF}.items()
    },
    "align.chat_system": "",
    "align.filters.introduction_run": 0,
    "align.filters.header_leak": False,
    "align.filters.meta_leak_run": 0,
    "align.filters.section_headings": [],
    "refine.filters.refusals": "keep",
    **{
        f"{section}.{name}": value
        for section in ("align", "refine")
        for name, value in {"selection": _NO_SELECTION, "declining": _NO_DECLINING}.items()
    },
    "evaluate.neighbours": 0,
    "evaluate.on_task_chars": 600,
    "evaluate.probes_file": None,
    # Runs of before asked none.
    "evaluate.probes_per_kind": 0,
}
"""Dotted settings that stored runs may lack -> the value that gives their results."""

ADDED_FILES = ("evaluate.probes_file",)
"""Settings among them that name a file of their section's stage, of which the fingerprint holds a
digest: without a file, stored runs had what is built in, or nothing."""

_STUDENTS = ("align", "engrave", "refine", "distill", "evaluate")
READ_WITH: Mapping[str, tuple[str, ...]] = {
    "layout": _STUDENTS,
    "chat_template": _STUDENTS,
    "end_of_turn": ("engrave", "distill"),
}
"""Those of them that are no section's -> the sections of the stages that depend on them."""
