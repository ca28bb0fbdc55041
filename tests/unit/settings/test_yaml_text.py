"""YAML of other people: what is read, and what is refused before it costs anything."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from selfalign.errors import ConfigError
from selfalign.settings.yaml_text import MAX_ITEM_NODES, MAX_NODES, load_items, load_yaml

NINE = 9


def nested(first: str, level: str) -> str:
    """Nine levels, each holding the one before nine times: 9^9 values in 700 bytes."""
    lines = [f"a0: &a0 {first}"]
    for number in range(1, NINE + 1):
        held = ", ".join([f"*a{number - 1}"] * NINE)
        lines.append(f"a{number}: &a{number} {level.format(held)}")
    return "\n".join(lines)


REFUSED: dict[str, tuple[str, str]] = {
    "merge keys within merge keys": (nested("{x: 1}", "{{<<: [{}]}}"), "line 2, column 10: merge"),
    "one merge key": ("a: &a {x: 1}\nb: {<<: *a}\n", "merge keys (<<) are not read"),
    "aliases of aliases": (nested("[x]", "[{}]"), "line 6: more than 20,000 values"),
    "aliases of aliases, as mappings": (
        nested("{x: 1}", "{{k: [{}]}}"),
        "line 5: more than 20,000 values",
    ),
    "alias of a scalar, often": ("a: &a x\nb: [" + "*a," * MAX_NODES + "]", "more than"),
    "an alias within itself": ("a: &a [{b: *a}]", "*a stands within what it stands for"),
    "a long flow list": ("[" + "a," * 500_000 + "]", "line 1: more than 20,000 values"),
    "many keys": ("".join(f"k{n}: 1\n" for n in range(80_000)), "line 10000: more than"),
    "deep lists": ("[" * 100_000, "line 1: nested too deeply"),
    "deep mappings": ("{a: " * 100_000, "line 1: nested too deeply"),
    "a whole number without end": (f"a: {'1' * 5000}", "a number of 5000 characters"),
    "base 60 without end": ("a: 1" + ":1" * 400_000, "a number of 800001 characters"),
    "a fraction without end": (f"a: 0.{'1' * 5000}", "a number of 5002 characters"),
    "an unknown alias": ("a: *b", "line 1, column 4: found undefined alias"),
    "a Python object": ("a: !!python/object/apply:os.getcwd []", "could not determine a constr"),
    "a key twice": ("a: 1\na: 2\n", "line 2, column 1: the key 'a' stands twice"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_what_costs_more_than_its_size_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_yaml(text, "mine.yaml", "settings")
    assert str(caught.value).startswith("mine.yaml: ")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


READ: dict[str, tuple[str, object]] = {
    "an alias": ("a: &a [1, 2]\nb: *a\n", {"a": [1, 2], "b": [1, 2]}),
    "a text that is two less-than signs": ("a: '<<'\n'<<': 1\n", {"a": "<<", "<<": 1}),
    "a long number in quotes": (f"a: '{'1' * 5000}'", {"a": "1" * 5000}),
    "numbers": ("[1, 1_000, 0x1f, 1.5, .inf, 12:30]", [1, 1000, 31, 1.5, float("inf"), 750]),
    "a long text": (f"a: {'word ' * 100_000}", {"a": ("word " * 100_000).strip()}),
    "nothing": ("# nothing\n", None),
}


@pytest.mark.parametrize(("text", "expected"), READ.values(), ids=READ)
def test_ordinary_documents_are_read(text: str, expected: object) -> None:
    assert load_yaml(text, "mine.yaml", "settings") == expected


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=30,
)


@given(DOCUMENTS)
def test_what_the_library_writes_is_read_as_it_reads_it(document: object) -> None:
    text = yaml.safe_dump(document, allow_unicode=True)
    assert load_yaml(text, "mine.yaml", "settings") == yaml.safe_load(text)


@given(st.text(alphabet="ab:-[]{}&*<!'\"|>#,?% \n\t0.", max_size=60))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    try:
        load_yaml(text, "mine.yaml", "settings")
    except ConfigError as error:
        assert str(error).startswith("mine.yaml: ")


def test_a_list_of_data_may_be_long() -> None:
    text = "- {id: a}\n" * MAX_NODES
    assert load_items(text, "mine.yaml", "probes")[-1] == (MAX_NODES, {"id": "a"})
    with pytest.raises(ConfigError, match="more than 500,000 values"):
        load_items("- [" + "a," * MAX_ITEM_NODES + "]", "mine.yaml", "probes")
