"""`selfalign constitution`: printing, checking and importing constitutions."""

from pathlib import Path
from typing import Annotated

import typer

from selfalign.constitution.lint import digest, lint
from selfalign.constitution.load import load_constitution
from selfalign.constitution.render import render_prefix
from selfalign.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(help="Principles, exemplars and wording.", no_args_is_help=True)
    group.command("show")(show_command)
    group.command("lint")(lint_command)
    app.add_typer(group, name="constitution")


FileArgument = Annotated[
    Path | None, typer.Argument(help="A constitution in YAML; the built-in one by default.")
]


def show_command(file: FileArgument = None) -> None:
    """Prints the prefix that stands before every query, byte for byte."""
    print(render_prefix(load_constitution(file)), end="")


def lint_command(file: FileArgument = None) -> None:
    """Checks a constitution; errors end with exit code 64."""
    constitution = load_constitution(file)
    findings = lint(constitution)
    for finding in findings:
        print(f"{finding.severity}: {finding.place}: {finding.message}")
    if any(finding.severity == "error" for finding in findings):
        raise ConfigError(f"{file or 'built-in constitution'}: has errors")
    print(f"constitution {digest(constitution)}: {len(constitution.principles)} principles")
