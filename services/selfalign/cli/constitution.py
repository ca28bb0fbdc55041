"""`selfalign constitution`: printing, checking and importing constitutions."""

from pathlib import Path
from typing import Annotated

import typer
import yaml

from selfalign.constitution.importer import import_constitution
from selfalign.constitution.lint import digest, lint
from selfalign.constitution.render import render_prefix
from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(help="Principles, exemplars and wording.", no_args_is_help=True)
    group.command("show")(show_command)
    group.command("lint")(lint_command)
    group.command("import")(import_command)
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


def import_command(
    principles: Annotated[Path, typer.Argument(help="The file of principles and exemplars.")],
    standard: Annotated[Path, typer.Option(help="The standard meta prompt.")],
    concise: Annotated[Path, typer.Option(help="The concise meta prompt.")],
    verbose: Annotated[Path, typer.Option(help="The verbose prompt of stage 4.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The YAML file to write.")],
) -> None:
    """Turns the published prompt files into a constitution that renders them byte for byte."""
    constitution = import_constitution(
        principles, standard=standard, concise=concise, verbose=verbose
    )
    text = yaml.safe_dump(constitution.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    output.write_text(text, encoding="utf-8")
    print(f"constitution {digest(constitution)} written to {output}")
