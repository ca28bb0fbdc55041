"""`selfalign wording`: importing the published wording and seeds of stage 1."""

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from selfalign.errors import ConfigError
from selfalign.prompt_synthesizer.published_wording import (
    NAMES,
    PublishedFiles,
    PublishedWording,
    import_wording,
)

WORDING, TASK_SEEDS, TOPIC_SEEDS = "prompts.yaml", "task_seeds.jsonl", "topic_seeds.jsonl"
"""The files that an import writes."""


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(help="The prompts and seeds of stage 1.", no_args_is_help=True)
    group.command("import")(import_command)
    app.add_typer(group, name="wording")


def _file(name: str, what: str) -> Any:  # noqa: ANN401 - as typer.Option does
    return typer.Option(help=f"{what}, if it is not {NAMES[name]} in the folder.")


def import_command(
    folder: Annotated[Path, typer.Argument(help="The published folder `prompts`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to make.")],
    self_instruct: Annotated[
        Path | None, _file("self_instruct", "The prompt of self-instruct")
    ] = None,
    topics: Annotated[Path | None, _file("topics", "The prompt of topics")] = None,
    topic_guided: Annotated[
        Path | None, _file("topic_guided", "The prompt of topic-guided instructions")
    ] = None,
    task_seeds: Annotated[Path | None, _file("task_seeds", "The task seeds")] = None,
    topic_seeds: Annotated[Path | None, _file("topic_seeds", "The topic seeds")] = None,
) -> None:
    """Turns the published files of stage 1 into what a run file takes: the same prompts, byte for
    byte."""
    published = PublishedFiles.in_folder(
        folder,
        self_instruct=self_instruct,
        topics=topics,
        topic_guided=topic_guided,
        task_seeds=task_seeds,
        topic_seeds=topic_seeds,
    )
    write_folder(output, import_wording(published))
    print(f"written to {output}; in the run file:\n{_run_file(output)}", end="")


def write_folder(folder: Path, wording: PublishedWording) -> None:
    """Makes the folder, whole or not at all.

    Raises:
        ConfigError: the folder is there and holds something, or cannot be made.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ConfigError(f"--output: {folder} is there already; name a folder that is not")
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        texts = yaml.dump(
            wording.templates.model_dump(), Dumper=_Blocks, sort_keys=False, allow_unicode=True
        )
        for name, text in (
            (WORDING, texts),
            (TASK_SEEDS, wording.task_seeds),
            (TOPIC_SEEDS, wording.topic_seeds),
        ):
            (partial / name).write_text(text, encoding="utf-8", newline="\n")
        partial.replace(folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise ConfigError(f"--output: {folder}: cannot be made: {error.strerror}") from error


def _run_file(folder: Path) -> str:
    """The settings that use what was imported."""
    return (
        f"task_seeds: {folder / TASK_SEEDS}\n"
        f"topic_seeds: {folder / TOPIC_SEEDS}\n"
        "synthesizer:\n"
        f"  wording: {folder / WORDING}\n"
        "  instructions: as_written\n"
    )


class _Blocks(yaml.SafeDumper):
    """Writes texts of several lines as blocks, which people can read and edit."""


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Blocks.add_representer(str, _block)
