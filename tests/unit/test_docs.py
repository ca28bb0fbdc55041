"""Documentation that has to follow the code."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


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

    manual = (REPOSITORY / "docs" / "operating.md").read_text()
    readme = (REPOSITORY / "README.md").read_text()
    codes = set(re.findall(r"[A-Z_]{5,}\s+(\d+)", errors.__doc__ or ""))
    assert len(codes) > 10
    table = manual[manual.index("## Exit codes") :]
    missing = {code for code in codes if not re.search(rf"\b{code}\b", table)}
    assert missing == set()
    assert all(f"`{stage}`" in readme for stage in NAMES)
