"""Self-instruct: the prompt's layout and what is read out of completions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.prompt_synthesizer.prompt_templates import load_prompt_templates
from selfalign.prompt_synthesizer.seeds import TaskSeed, load_task_seeds
from selfalign.prompt_synthesizer.self_instruct import (
    draw_seeds,
    parse_self_instruct,
    render_self_instruct,
)
from selfalign.prompt_synthesizer.synthesizer_settings import InstructionLines


def test_the_layout_of_the_prompt() -> None:
    wording = load_prompt_templates().model_copy(update={"self_instruct": "List of {count} tasks:"})
    shown = [TaskSeed("Sort  these\nwords:", "b a"), TaskSeed("Tell a joke.")]
    assert render_self_instruct(wording, shown, 20) == (
        "List of 20 tasks:\n"
        "###\n1. Instruction: Sort these words\n1. Input:\nb a\n"
        "###\n2. Instruction: Tell a joke.\n2. Input:\n<noinput>\n"
        "###\n3. Instruction:"
    )


def test_seeds_are_drawn_without_replacement_and_by_seed() -> None:
    pool = load_task_seeds()
    drawn = draw_seeds(pool, 5, 7)
    assert drawn == draw_seeds(pool, 5, 7)
    assert drawn != draw_seeds(pool, 5, 8)
    assert len(set(drawn)) == 5
    assert len(draw_seeds(pool[:2], 5, 7)) == 2


TWO = " Say hello.\n6. Input:\n<noinput>\n###\n7. Instruction: Sort:\n7. Input:\nb a\n"


@pytest.mark.parametrize(
    ("completion", "cut", "expected"),
    [
        (TWO, False, [("Say hello.", "", None), ("Sort", "b a", None)]),
        (TWO, True, [("Say hello.", "", None), ("Sort", "b a", "truncated")]),
        (TWO + "###\n", True, [("Say hello.", "", None), ("Sort", "b a", None)]),
        (TWO + "###\n8. Ins", True, [("Say hello.", "", None), ("Sort", "b a", None)]),
        # Without separators, with other numbers, with answers.
        (
            " A b.\n6. Input:\n<NOINPUT>\n6. Output:\nYes\n1. Instruction: C\n1. Input: d",
            False,
            [("A b.", "", None), ("C", "d", None)],
        ),
        (" A\n  b.\n6. Input: x\ny\n", False, [("A b.", "x\ny", None)]),
        (" Say hello.", False, [("Say hello.", "", "malformed")]),
        (" A\n6. Input: b\n6. Input: c", False, [("A", "", "malformed")]),
        ("", False, [("", "", "malformed")]),
        ("", True, [("", "", "truncated")]),
        (" A.\n6. Input: no input", False, [("A.", "", None)]),
        (" A.\n6. Input: No input is needed", False, [("A.", "", None)]),
        (" A.\n6. Input: [noinput]", False, [("A.", "", None)]),
        (" A.\n6. Input:\n<noinject>\n##", False, [("A.", "", None)]),
        (" A.\n6. Input: None.", False, [("A.", "", None)]),
        (" A.\n6. Input: N/A", False, [("A.", "", None)]),
        (" A.\n6. Input: (no input needed)", False, [("A.", "", None)]),
        (" A.\n6. Input: No input is required.", False, [("A.", "", None)]),
        (" A.\n6. Input: [No additional input]", False, [("A.", "", None)]),
        (" A.\n6. Input: no input device works", False, [("A.", "no input device works", None)]),
        (
            " A.\n6. Input:\nTeam plan\n### Week 1\nRest\n###\n7. Instruction: B.\n7. Input:\nb\n",
            False,
            [("A.", "Team plan\n### Week 1\nRest", None), ("B.", "b", None)],
        ),
        (
            " A.\n6. Input:\na\n###7. Instruction: B.\n7. Input:\nb\n",
            False,
            [("A.", "a", None)],
        ),
        (" A.\n6. Input: nonesuch", False, [("A.", "nonesuch", None)]),
        (" A.\n6. Input:\nb\n##", False, [("A.", "b", None)]),
        (" A.\n6. Input: in C#", False, [("A.", "in C#", None)]),
    ],
)
def test_parsing(completion: str, cut: bool, expected: list[tuple[str, str, str | None]]) -> None:
    found = parse_self_instruct(completion, shown=5, cut=cut)
    got = [(c.text, c.input, c.rejection.reason if c.rejection else None) for c in found]
    assert got == expected


@pytest.mark.parametrize(
    ("lines", "text"),
    [("one_line", "Sort: - b - a"), ("as_written", "Sort:\n- b\n-  a:")],
)
def test_an_instruction_of_several_lines(lines: InstructionLines, text: str) -> None:
    completion = " Sort:\n- b\n-  a:\n6. Input:\nx\n\n y\n"
    (found,) = parse_self_instruct(completion, shown=5, cut=False, lines=lines)
    assert (found.text, found.input, found.rejection) == (text, "x\n\n y", None)


@given(st.text(alphabet="#1267. Instruction:Input\n<noinput>", max_size=300), st.booleans())
def test_no_text_is_lost_or_breaks_the_parser(completion: str, cut: bool) -> None:
    found = parse_self_instruct(completion, shown=5, cut=cut)
    assert "".join(candidate.raw for candidate in found) == completion


_TASKS = st.lists(
    st.tuples(
        st.text(alphabet="abc ?", min_size=1, max_size=20).map(str.strip).filter(bool),
        st.text(alphabet="xyz \n", max_size=20).map(str.strip),
    ),
    min_size=1,
    max_size=6,
)


@given(_TASKS)
def test_what_is_rendered_is_read_back(tasks: list[tuple[str, str]]) -> None:
    wording = load_prompt_templates()
    seeds = [TaskSeed(instruction, task_input) for instruction, task_input in tasks]
    prompt = render_self_instruct(wording, seeds, 20)
    completion = prompt.split("###\n1. Instruction:", 1)[1].removesuffix(
        f"###\n{len(tasks) + 1}. Instruction:"
    )
    found = parse_self_instruct(completion, shown=0, cut=False)
    assert [(c.text, c.input) for c in found] == [
        (" ".join(instruction.split()), task_input) for instruction, task_input in tasks
    ]
    assert all(candidate.rejection is None for candidate in found)
