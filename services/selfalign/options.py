"""Command-line options made from sections of settings, and command lines from their values.

    @app.command("worker")
    @with_options
    def worker(config: Annotated[Path, typer.Option()], channel: ChannelSettings) -> None: ...

Every field of a section is an option: its name, type, range, default and help are the field's own.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar

import typer
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from selfalign.errors import ConfigError
from selfalign.settings.section import Environment, Section

METAVARS = {"integer": "INTEGER", "number": "NUMBER", "string": "TEXT"}
Chosen = TypeVar("Chosen", bound=Section)


def option_name(field: str) -> str:
    """`--drain-delay` of `drain_delay_s`: options count in seconds without saying so."""
    return "--" + field.removesuffix("_s").replace("_", "-")


def arguments_of(section: Section) -> list[str]:
    """The words of a command line that sets what is set in `section`."""
    words: list[str] = []
    for field, value in section:
        if field not in section.model_fields_set:
            continue
        if isinstance(value, bool):
            words.append(option_name(field) if value else _negative(field))
        elif value is not None:
            words += [option_name(field), str(value)]
    return words


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each field of the sections among its parameters.

    A parameter of the command's own that has the name of a field takes the place of its option. A
    value that is out of its range, or does not go with another, raises a ConfigError that names
    the option.
    """
    parameters = inspect.signature(command, eval_str=True).parameters.values()
    sections = {
        parameter.name: parameter.annotation
        for parameter in parameters
        if inspect.isclass(parameter.annotation) and issubclass(parameter.annotation, Section)
    }
    own = [parameter for parameter in parameters if parameter.name not in sections]

    @functools.wraps(command)
    def filled(**given: Any) -> None:  # noqa: ANN401
        built = {name: build(section, given) for name, section in sections.items()}
        command(**built, **{parameter.name: given[parameter.name] for parameter in own})

    named = {parameter.name for parameter in own}
    made = [
        option
        for section in sections.values()
        for option in options_of(section)
        if option.name not in named
    ]
    # What typer reads in the place of the function's own.
    signature = inspect.Signature([*own, *made])
    filled.__signature__ = signature  # type: ignore[attr-defined]
    filled.__annotations__ = {name: p.annotation for name, p in signature.parameters.items()}
    return filled


def build(section: type[Chosen], given: dict[str, Any]) -> Chosen:
    """The section, of those of the `given` options that are its fields and not None.

    Raises:
        ConfigError: values that do not go together.
    """
    fields = {name: given[name] for name in section.model_fields if given.get(name) is not None}
    try:
        return section(**fields)
    except ValidationError as error:
        found = [_message(name, finding) for name, finding in _findings(error)]
        raise ConfigError("; ".join(found)) from error


def options_of(section: type[Section]) -> Iterator[inspect.Parameter]:
    """A keyword parameter for each field, as typer reads them; required ones come first."""
    described = section.model_json_schema()["properties"]
    fields = sorted(section.model_fields.items(), key=lambda item: not item[1].is_required())
    for name, field in fields:
        yield inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=... if field.is_required() else field.default,
            annotation=_annotation(name, field, _Shape(described[name]), _heading(section, name)),
        )


class _Shape:
    """What the JSON Schema of a field says of its values."""

    def __init__(self, schema: dict[str, Any]) -> None:
        variants = schema.get("anyOf", [schema])
        (self._schema,) = [variant for variant in variants if variant.get("type") != "null"]
        self.is_flag = self._schema.get("type") == "boolean"

    @property
    def metavar(self) -> str:
        if "enum" in self._schema:
            return "|".join(self._schema["enum"])
        if self._schema.get("format") == "path":
            return "PATH"
        return METAVARS[self._schema["type"]]

    @property
    def range(self) -> str:
        """`from 1 to 256`; empty without limits."""
        lowest, above = self._schema.get("minimum"), self._schema.get("exclusiveMinimum")
        highest, below = self._schema.get("maximum"), self._schema.get("exclusiveMaximum")
        if lowest is not None and highest is not None:
            return f"from {lowest:.15g} to {highest:.15g}"
        limits = {"at least": lowest, "above": above, "at most": highest, "below": below}
        return ", ".join(
            f"{word} {limit:.15g}" for word, limit in limits.items() if limit is not None
        )


def _annotation(name: str, field: FieldInfo, shape: _Shape, panel: str) -> Any:  # noqa: ANN401
    text = " ".join((field.description or "").split())
    variables = [item.variable for item in field.metadata if isinstance(item, Environment)]
    if shape.is_flag:
        flags = f"{option_name(name)}/{_negative(name)}"
        return Annotated[bool, typer.Option(flags, help=text, rich_help_panel=panel)]
    option = typer.Option(
        option_name(name),
        parser=_parser(name, field),
        metavar=shape.metavar,
        help=f"{text} ({shape.range})" if shape.range else text,
        envvar=variables or None,
        rich_help_panel=panel,
    )
    return Annotated[Any, option]


def _negative(field: str) -> str:
    return option_name(field).replace("--", "--no-", 1)


def _parser(name: str, field: FieldInfo) -> Callable[[str], Any]:
    """Checks one option's text as the field would."""
    kind: Any = Annotated[field.annotation, field]
    adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def parse(text: str) -> Any:  # noqa: ANN401
        try:
            return adapter.validate_python(text)
        except ValidationError as error:
            raise ConfigError(_message(name, next(_findings(error))[1])) from error

    return parse


def _findings(error: ValidationError) -> Iterator[tuple[str, dict[str, Any]]]:
    for finding in error.errors(include_url=False):
        yield str(finding["loc"][0]) if finding["loc"] else "", dict(finding)


def _message(name: str, finding: dict[str, Any]) -> str:
    option = option_name(name) if name else ""
    if finding["type"] == "value_error":
        text = str(finding["ctx"]["error"])
        return f"{option}: {text}" if option else text
    return f"{option} {finding['input']}: {finding['msg']}"


def _heading(section: type[Section], name: str) -> str:
    """The first words of the class that declares the field: options of one class stand together."""
    owner = next(base for base in section.__mro__ if name in vars(base).get("__annotations__", {}))
    return re.split("[:;.,]", owner.__doc__ or owner.__name__)[0]
