"""Documentation that has to follow the code."""

import re
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from docs import build
from docs.reference import Reference
from selfalign.settings.section import NonEmpty, PositiveInt, Section, Share

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "charts" / "selfalign" / "README.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
]


def test_the_file_tree_names_every_module() -> None:
    text = (REPOSITORY / "docs" / "architecture.md").read_text()
    listed: set[str] = set()
    folder = ""
    for line in text[text.index("## Files") :].splitlines():
        if match := re.match(r"((?:services|training-job)/\S+)/ ", line):
            folder = match[1]
        elif (match := re.match(r"  (\w+\.py) ", line)) and folder:
            listed.add(f"{folder}/{match[1]}")
    present = {
        path.relative_to(REPOSITORY).as_posix()
        for root in ("services", "training-job")
        for path in (REPOSITORY / root).rglob("*.py")
        if path.name != "__init__.py" and "/v1/" not in path.as_posix()
    }
    assert present - listed == set()
    assert listed - present == set()


def test_every_stage_and_exit_code_is_in_the_manual() -> None:
    import selfalign.errors as errors
    from selfalign.pipeline.stages.register import NAMES

    manual = (REPOSITORY / "docs" / "operating" / "troubleshooting.md").read_text()
    readme = (REPOSITORY / "README.md").read_text()
    codes = set(re.findall(r"[A-Z_]{5,}\s+(\d+)", errors.__doc__ or ""))
    assert len(codes) > 10
    table = manual[manual.index("## Exit codes") :]
    missing = {code for code in codes if not re.search(rf"\b{code}\b", table)}
    assert missing == set()
    assert all(f"`{stage}`" in readme for stage in NAMES)


def test_what_is_made_from_the_code_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(["--check"]) == 0, capsys.readouterr().out


def test_every_setting_says_what_it_means() -> None:
    rows = (REPOSITORY / "docs" / "settings.md").read_text().splitlines()
    settings = [row for row in rows if row.startswith("| `")]
    assert len(settings) > 200
    assert [row for row in settings if row.endswith("|  |")] == []


class Inner(Section):
    """A nested section."""

    share: Share = 0.5
    names: tuple[NonEmpty, ...] = ("a",)
    """Written to <folder>, as `<name>`."""


class Outer(Section):
    """A section."""

    inner: Inner = Inner(share=0.25)
    kind: Literal["one", "two"] | None = None
    extra: dict[str, int] = Field(default_factory=dict)


class Whole(Section):
    """All of it."""

    count: PositiveInt
    outer: Outer = Outer()


def test_a_setting_has_its_range_its_default_and_what_profiles_change() -> None:
    profiles = {"small": {"count": 2, "outer": {"inner": {"share": 0.25}, "kind": "two"}}}
    text = Reference(Whole, {"outer": {"inner": {"names": ["b"]}}}, profiles).text()
    assert "| `count` | integer ≥ 1 | required | `2` |  |" in text
    assert "### `outer`\nA section.\n" in text
    assert "| `inner.share` | number ≥ 0.0, ≤ 1.0 | `0.25` |  |  |" in text
    meaning = "Written to \\<folder>, as `<name>`."
    assert f'| `inner.names` | list of texts | `["b"]` |  | {meaning} |' in text
    assert '| `kind` | `one` or `two` | – | `"two"` |  |' in text
    assert "| `extra` | mapping to integer | – |  |  |" in text


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", page.read_text())):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text().split("## Files")[0]
    folders = "|".join(path.name for path in REPOSITORY.iterdir() if path.is_dir())
    for name in re.findall(rf"(?<![\w/.-])((?:{folders})/[\w./-]*\w)", text):
        assert name.startswith(("runs/", "build/")) or (REPOSITORY / name).exists(), name


def test_pages_that_sources_name_are_there() -> None:
    """In error texts, comments, the chart's values and the like."""
    named = 0
    for folder in ("services", "training-job", "charts", "images", "tests", "docs", "benchmarks"):
        for path in (REPOSITORY / folder).rglob("*"):
            if path.suffix in (".py", ".yaml", ".sh", ".tpl", ".txt", ".md", ".json"):
                for name in re.findall(r"(?<![\w/])docs/[\w/-]+\.md\b", path.read_text()):
                    named += 1
                    assert (REPOSITORY / name).is_file(), f"{path}: {name}"
    assert named > 5


def test_every_promise_names_a_test_that_is_there() -> None:
    text = (REPOSITORY / "docs" / "guarantees.md").read_text()
    named = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", text)
    rows = [line for line in text.splitlines() if line.startswith("| ") and "held by" not in line]
    assert len(rows) == len(named) > 20
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not re.search(
            rf"^(?:async )?def {name}\(", (REPOSITORY / path).read_text(), re.MULTILINE
        )
    ]
    assert missing == []
