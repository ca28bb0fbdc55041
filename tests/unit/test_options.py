"""Options made from settings: they teach, they are the class's own, and mistakes name them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from pydantic import Field, model_validator

from selfalign.errors import ConfigError
from selfalign.model_server.server_options import ModelServerSettings
from selfalign.options import arguments_of, option_name, with_options
from selfalign.pipeline.units.assignment import Assignment
from selfalign.rpc.channel import ChannelSettings
from selfalign.rpc.server_settings import ServerSettings
from selfalign.settings.ports import MetricsSettings
from selfalign.settings.section import Environment, NonEmpty, Seconds, Section

SECTIONS = (ServerSettings, ChannelSettings, ModelServerSettings, MetricsSettings, Assignment)


class Kitchen(Section):
    """Where we cook: every kind of field that an option can have."""

    cook: NonEmpty
    """Who cooks."""
    heat: Annotated[int, Field(ge=1, le=9)] = 3
    """How hot it gets."""
    boil_s: Seconds | None = 60.0
    """How long it boils, in seconds."""
    style: Literal["stew", "soup"] = "soup"
    """What it becomes."""
    salt: bool = True
    """Whether there is salt in it."""
    book: Path | None = None
    """The cookbook."""
    secret: Annotated[str | None, Environment("KITCHEN_SECRET")] = None
    """What nobody may know."""

    @model_validator(mode="after")
    def _stews_are_hot(self) -> "Kitchen":
        if self.style == "stew" and self.heat < 3:
            raise ValueError("style stew needs a heat of 3")
        return self


def cook(words: list[str]) -> tuple[Kitchen, str]:
    """What a command with the kitchen's options gets to see."""
    seen: list[tuple[Kitchen, str]] = []

    def command(
        kitchen: Kitchen,
        cook: Annotated[str, typer.Option(help="The command's own word for it.")],
        guest: Annotated[str, typer.Option(help="Who eats.")] = "nobody",
    ) -> None:
        assert kitchen.cook == cook
        seen.append((kitchen, guest))

    invoke(command, words)
    return seen[0]


def invoke(command: Callable[..., None], words: list[str]) -> None:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(with_options(command))
    app(words, prog_name="kitchen", standalone_mode=False)


def test_defaults_and_values_are_the_classes_own() -> None:
    assert cook(["--cook", "ann"]) == (Kitchen(cook="ann"), "nobody")
    words = ["--cook=ann", "--heat=9", "--boil=2.5", "--style=stew", "--no-salt", "--book=b/c"]
    everything = Kitchen(cook="ann", heat=9, boil_s=2.5, style="stew", salt=False, book=Path("b/c"))
    assert cook([*words, "--guest", "bob"]) == (everything, "bob")


def test_a_secret_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITCHEN_SECRET", "nutmeg")
    assert cook(["--cook", "ann"])[0].secret == "nutmeg"
    assert cook(["--cook", "ann", "--secret", "mace"])[0].secret == "mace"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--heat=0", "--heat 0: Input should be greater than or equal to 1"),
        ("--heat=warm", "--heat warm: Input should be a valid integer"),
        ("--boil=0", "--boil 0: Input should be greater than 0"),
        ("--style=roast", "--style roast: Input should be 'stew' or 'soup'"),
    ],
)
def test_a_bad_value_names_its_option(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        cook(["--cook=ann", word])


def test_values_that_do_not_go_together_are_refused_in_the_checks_own_words() -> None:
    with pytest.raises(ConfigError, match=r"^style stew needs a heat of 3$"):
        cook(["--cook=ann", "--style=stew", "--heat=2"])


def test_a_command_line_made_from_values_gives_them_back() -> None:
    kitchen = Kitchen(cook="ann", boil_s=2.5, salt=False, secret=None)
    assert arguments_of(kitchen) == ["--cook", "ann", "--boil", "2.5", "--no-salt"]
    assert cook(arguments_of(kitchen))[0] == kitchen


def test_help_teaches_type_range_default_and_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")

    def command(kitchen: Kitchen) -> None:
        raise AssertionError("not called")

    invoke(command, ["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for text in (
        "─ Where we cook ─",
        "* --cook TEXT Who cooks. [required]",
        "--heat INTEGER How hot it gets. (from 1 to 9) [default: 3]",
        "--boil NUMBER How long it boils, in seconds. (above 0) [default: 60.0]",
        "--style stew|soup What it becomes. [default: soup]",
        "--no-salt",
        "--book PATH The cookbook.",
        "[env var: KITCHEN_SECRET]",
    ):
        assert text in shown, text


@pytest.mark.parametrize("section", SECTIONS)
def test_every_option_of_ours_has_a_text(section: type[Section]) -> None:
    described = section.model_json_schema()["properties"]
    silent = [
        option_name(name)
        for name, schema in described.items()
        if not str(schema.get("description", "")).endswith(".")
    ]
    assert silent == []


@pytest.mark.parametrize("section", SECTIONS)
def test_flags_and_class_agree(section: type[Section]) -> None:
    def command(settings: Section) -> None:
        raise AssertionError("not called")

    command.__annotations__["settings"] = section
    app = typer.Typer(add_completion=False)
    app.command()(with_options(command))
    made: Any = typer.main.get_command(app)
    options = {option.name: option for option in made.params}
    assert set(options) == set(section.model_fields)
    for name, field in section.model_fields.items():
        assert options[name].opts == [option_name(name)]
        assert options[name].required is field.is_required()
        assert field.is_required() or options[name].default == field.default
