"""The authors' own filter scripts, run where a checkout of them is at hand."""

import json
import runpy
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from selfalign.constitution.importer import import_constitution
from selfalign.constitution.schema import Constitution
from support.reference import reference_path

SCRIPTS = {
    "align": (
        "step2_principle_driven_self_alignment",
        "merge_and_fileter_self_align_with_dummy.py",
    ),
    "refine": ("step4_verbose_cloning", "merge_and_filter_verbose_clone_output.py"),
}


def published_constitution() -> Constitution:
    """The authors' own texts; skips the test where they are absent."""
    prompts = reference_path("dromedary", "prompts")
    student = prompts / "inference_prompts"
    return import_constitution(
        prompts / "watson_self_align_prompt.txt",
        standard=student / "dromedary_standard_prompt_distill.txt",
        concise=student / "dromedary_concise_prompt_distill.txt",
        verbose=prompts / "verbose_dromedary_prompt.txt",
    )


def published_outputs(
    stage: str, rows: Sequence[Mapping[str, str]], folder: Path, patch: pytest.MonkeyPatch
) -> list[str | None]:
    """What the authors' script keeps of each row's completion; None where it drops the row.

    Skips the test where the script is not in the reference material.
    """
    script = reference_path("dromedary", "training", *SCRIPTS[stage])
    # The script's command line and progress bar; it does its work without them.
    fire, bar = types.ModuleType("fire"), types.ModuleType("tqdm")
    bar.tqdm = iter  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "fire", fire)
    patch.setitem(sys.modules, "tqdm", bar)
    main: Any = runpy.run_path(str(script))["main"]
    source, target, dummy = (folder / name for name in ("in.jsonl", "out.json", "dummy.json"))
    dummy.write_text("[]")
    options = {"dummy_data_file": str(dummy)} if stage == "align" else {}
    found: list[str | None] = []
    for row in rows:
        # One at a time: the script shuffles what it keeps.
        one = {name: row[name] for name in ("instruction", "input")}
        source.write_text(json.dumps({**one, "output": row["completion"].strip()}) + "\n")
        main(data_file_pattern=str(source), output_file=str(target), **options)
        kept = json.loads(target.read_text())
        found.append(kept[0]["output"] if kept else None)
    return found
