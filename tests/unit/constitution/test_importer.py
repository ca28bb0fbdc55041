"""The published prompt files render byte for byte once imported (skipped where absent)."""

from pathlib import Path

import pytest

from selfalign.constitution.importer import import_constitution
from selfalign.constitution.lint import lint
from selfalign.constitution.render import (
    render_meta,
    render_prefix,
    render_student_prompt,
    render_verbose_prompt,
)
from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import DataError
from support.reference import reference_path

FIRST = ("dromedary", "prompts")
SECOND = ("dromedary_main_v2", "prompts")
STUDENT = {
    "standard": "dromedary_standard_prompt_distill.txt",
    "concise": "dromedary_concise_prompt_distill.txt",
}


def files(version: tuple[str, ...], verbose: tuple[str, ...]) -> dict[str, Path]:
    paths = {
        name: reference_path(*version, "inference_prompts", file) for name, file in STUDENT.items()
    }
    return {**paths, "verbose": reference_path(*version, *verbose)}


def published(version: tuple[str, ...]) -> tuple[Path, dict[str, Path]]:
    verbose: dict[tuple[str, ...], tuple[str, ...]] = {
        FIRST: ("verbose_dromedary_prompt.txt",),
        SECOND: ("inference_prompts", "dromedary_verbose_prompt.txt"),
    }
    principles = reference_path(*version, "watson_self_align_prompt.txt")
    return principles, files(version, verbose[version])


@pytest.mark.parametrize("version", [FIRST, SECOND], ids=["first", "second"])
def test_published_files_render_byte_for_byte(version: tuple[str, ...]) -> None:
    principles, student = published(version)
    c = import_constitution(principles, **student)
    assert render_prefix(c).encode() == principles.read_bytes()
    for name in ("standard", "concise"):
        rendered = render_meta(c, getattr(c.student, name), c.student.assistant_heading)
        assert rendered.encode() == student[name].read_bytes()
    verbose = render_meta(c, c.student.verbose, c.student.verbose_heading)
    assert verbose.encode() == student["verbose"].read_bytes()


@pytest.mark.parametrize("name", ["multilingual", "verbose"])
def test_other_inference_prompts_render_too(name: str) -> None:
    principles, student = published(FIRST)
    other = reference_path(*FIRST, "inference_prompts", f"dromedary_{name}_prompt.txt")
    c = import_constitution(principles, **{**student, "standard": other})
    rendered = render_meta(c, c.student.standard, c.student.assistant_heading)
    assert rendered.encode() == other.read_bytes()


def test_published_numbers_and_layout() -> None:
    principles, student = published(FIRST)
    c = import_constitution(principles, **student)
    ours = load_constitution()
    assert [(p.id, p.name) for p in c.principles] == [(p.id, p.name) for p in ours.principles]
    assert [len(exemplar.turns) for exemplar in c.exemplars] == [1, 1, 2, 1, 1]
    assert [turn.rules for _, turn in c.turns()][:2] == [(3, 7, 12), (2, 3, 7, 10)]
    undemonstrated = [f.place for f in lint(c) if "demonstrated" in f.message]
    assert undemonstrated == ["principles[0]", "principles[3]", "principles[13]"]
    assert not [f for f in lint(c) if f.severity == "error"]
    header = f"\n\n{c.student.assistant_heading}\n"
    prompt = render_student_prompt(c, "one", "two")
    assert prompt == student["standard"].read_text().strip() + "\none\n\ntwo" + header
    extensive = render_verbose_prompt(c, "one")
    assert extensive.endswith(f"\none\n\n{c.student.verbose_heading}\n")
    assert c.student.verbose_heading != c.student.assistant_heading


def write_ours(folder: Path) -> tuple[Path, dict[str, Path]]:
    """Our own constitution in the published layout."""
    c = load_constitution()
    s = c.student
    texts = {
        "principles": render_prefix(c),
        "standard": render_meta(c, s.standard, s.assistant_heading),
        "concise": render_meta(c, s.concise, s.assistant_heading),
        "verbose": render_meta(c, s.verbose, s.verbose_heading),
    }
    paths = {name: folder / f"{name}.txt" for name in texts}
    for name, text in texts.items():
        paths[name].write_text(text, encoding="utf-8")
    return paths.pop("principles"), paths


def test_our_own_constitution_survives_export_and_import(tmp_path: Path) -> None:
    principles, student = write_ours(tmp_path)
    # The published files have no section on declining.
    published = load_constitution().model_copy(update={"declining": ()})
    assert import_constitution(principles, **student) == published


Change = tuple[str, str, str]
BAD: dict[str, Change] = {
    "first rule": ("1 (ethical). ", "1: ", "rules `1 (name). text`"),
    "second rule": ("2 (informative). ", "2: ", "expected `1 (name). text`, not '2: "),
    "rule zero": ("1 (ethical). ", "0 (ethical). ", "id"),
    "unknown rule": ("matter here are 1 (ethical)", "matter here are 99 (ethical)", "99"),
    "other name": ("matter here are 1 (ethical)", "matter here are 1 (kind)", "line"),
    "other sentence": ("The principles that matter here are 1 (", "I follow 1 (", "different"),
    "two headers": ("Alder (auto reply): (", "Alder (reply): (", "expected four"),
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
def test_other_layouts_are_refused(tmp_path: Path, change: Change) -> None:
    old, new, message = change
    principles, student = write_ours(tmp_path)
    text = principles.read_text(encoding="utf-8")
    assert old in text
    principles.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=r"principles\.txt") as caught:
        import_constitution(principles, **student)
    assert message in str(caught.value)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    principles, student = write_ours(tmp_path)
    with pytest.raises(DataError, match="expected title"):
        import_constitution(student["standard"], **student)
    with pytest.raises(DataError, match="expected title"):
        import_constitution(principles, **{**student, "concise": principles})
