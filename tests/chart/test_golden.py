"""Renders as they were reviewed: the default whole, the values files as what differs from it.

`GOLDEN=write pytest tests/chart/test_golden.py`, or `make chart-docs`, writes them anew.
"""

import difflib
import os
from pathlib import Path

import pytest
import yaml

from support.helm import VALUES_FILES, needs_helm, objects, render_text

pytestmark = needs_helm
GOLDEN = Path(__file__).parent / "golden"


def reviewable(name: str) -> str:
    """A render, an object after the other by kind and name, without the dashboards' JSON."""
    documents = {}
    for document in objects(render_text(name)):
        key = f"{document['kind']} {document['metadata']['name']}"
        if "-dashboard-" in key:
            document["data"] = dict.fromkeys(document["data"], "...")
        documents[key] = yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, width=120)
    return "".join(f"--- # {key}\n{documents[key]}" for key in sorted(documents))


def difference(name: str) -> str:
    lines = difflib.unified_diff(
        reviewable("default").splitlines(keepends=True),
        reviewable(name).splitlines(keepends=True),
        "default",
        name,
        n=4,
    )
    # Places move with every line above them; the objects' own names say where we are.
    return "".join("@@\n" if line.startswith("@@") else line for line in lines)


@pytest.mark.parametrize("name", VALUES_FILES)
def test_render_is_the_reviewed_one(name: str) -> None:
    path = GOLDEN / ("default.yaml" if name == "default" else f"{name}.diff")
    text = reviewable(name) if name == "default" else difference(name)
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.exists(), f"{path} is missing; run `make chart-docs` and review it"
    assert text == path.read_text(), "another render; run `make chart-docs` and review the change"
