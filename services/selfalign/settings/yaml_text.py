"""YAML of other people: what would cost more than its size to read is refused before it is built.

Aliases make a text of a kilobyte into a document of gigabytes, merge keys also into minutes of
work, and depth into an exhausted stack. So the parser's events are counted first, aliases at the
size of what they stand for, and only a document within the limits is composed.
"""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import yaml

from selfalign.errors import ConfigError

MAX_NODES = 20_000
"""Scalars, lists and mappings, each alias counted as what it stands for."""
MAX_ITEM_NODES = 500_000
"""The same of a list that is data."""
MAX_DEPTH = 50
MAX_NUMBER_CHARS = 100
"""Digits and colons (base 60) take time that grows with their square."""
_MERGE = "<<"


def load_yaml(text: str, origin: str, expected: str) -> object:
    """The document in a YAML text; None where it is empty.

    Args:
        origin: The file, for messages.
        expected: What the document should be, for messages, e.g. `a mapping of settings`.

    Raises:
        ConfigError: not YAML, a key twice in one mapping, a merge key, or over the limits above.
    """
    with _errors_named(origin):
        _check_size(text, origin, expected, MAX_NODES)
        document: object = yaml.load(text, Loader=_Loader)
        return document


def load_items(text: str, origin: str, what: str) -> list[tuple[int, Any]]:
    """The items of the list in a YAML text, each with the line on which it begins, from 1.

    Args:
        origin: The file, for messages.
        what: What the list holds, for messages, e.g. `probes`.

    Raises:
        ConfigError: as load_yaml; no list, or an empty one.
    """
    with _errors_named(origin):
        _check_size(text, origin, f"a list of {what}", MAX_ITEM_NODES)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if not isinstance(node, yaml.SequenceNode) or not node.value:
                raise ConfigError(f"{origin}: expected a list of {what}, each beginning with `-`")
            return [
                (item.start_mark.line + 1, loader.construct_object(item, deep=True))
                for item in node.value
            ]
        finally:
            loader.dispose()


def _check_size(text: str, origin: str, expected: str, max_nodes: int) -> None:
    """Raises ConfigError where the document has more nodes, or levels, than it may."""
    nodes = 0
    open_nodes: list[tuple[str | None, int]] = []
    """Anchor of each list and mapping around the event, and the nodes before it."""
    sizes: dict[str, int] = {}
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor:
                sizes[anchor] = nodes - before
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_nodes):
                raise _mistake(f"*{event.anchor} stands within what it stands for", event)
            # Of an unknown one the composer tells.
            nodes += sizes.get(event.anchor or "", 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, nodes))
            nodes += 1
        elif isinstance(event, yaml.ScalarEvent):
            if event.value == _MERGE and event.implicit[0]:
                raise _mistake("merge keys (<<) are not read; write the keys out", event)
            if event.anchor:
                sizes[event.anchor] = 1
            nodes += 1
        line = event.start_mark.line + 1 if event.start_mark else 0
        if nodes > max_nodes:
            raise ConfigError(
                f"{origin}: line {line}: more than {max_nodes:,} values, aliases counted as what "
                f"they stand for; expected {expected}"
            )
        if len(open_nodes) > MAX_DEPTH:
            raise ConfigError(f"{origin}: line {line}: nested too deeply; expected {expected}")


@contextmanager
def _errors_named(origin: str) -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "unknown place"
        problem = error.problem or error.context or "syntax error"
        raise ConfigError(f"{origin}: not valid YAML: {place}: {problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{origin}: not valid YAML: {error}") from error


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, where YAML would keep the last, and numbers
    of many digits."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise _mistake(f"the key {key.value!r:.100} stands twice in one mapping", key)
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        return super().construct_yaml_int(_short(node))

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        return super().construct_yaml_float(_short(node))

    yaml_constructors: ClassVar[dict[str | None, Any]] = {
        **yaml.SafeLoader.yaml_constructors,
        "tag:yaml.org,2002:int": construct_yaml_int,
        "tag:yaml.org,2002:float": construct_yaml_float,
    }


def _short(node: yaml.ScalarNode) -> yaml.ScalarNode:
    if len(node.value) > MAX_NUMBER_CHARS:
        problem = f"a number of {len(node.value)} characters; expected at most {MAX_NUMBER_CHARS}"
        raise _mistake(f"{problem}, or a text in quotes", node)
    return node


def _mistake(problem: str, where: yaml.Event | yaml.Node) -> yaml.MarkedYAMLError:
    mark: Any = where.start_mark
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
