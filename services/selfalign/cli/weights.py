"""`selfalign weights`: bringing weights to where an engine or a trainer can load them."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
import yaml

from selfalign.errors import ModelError
from selfalign.events import Fetched, emit
from selfalign.layout.tokenizer_files import find_chat_template
from selfalign.weights.fetch import fetch_weights
from selfalign.weights.small_files import read_small_file
from selfalign.weights.source import parse_weights


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(help="Weights of models, in stores and folders.", no_args_is_help=True)
    group.command("fetch")(fetch_command)
    group.command("chat-template")(chat_template_command)
    app.add_typer(group, name="weights")


def fetch_command(
    source: Annotated[
        str, typer.Argument(help="s3://bucket/prefix, a folder, or a hub id (owner/model@rev).")
    ],
    folder: Annotated[Path, typer.Argument(help="An empty folder, or one fetched before.")],
) -> None:
    """Fetches weights into a folder; does nothing if they are there, whole, already.

    Sizes are always checked, digests where the training stage's manifest tells them. The file
    .complete is written last; a fetch that was killed goes on where it was.
    """
    new = fetch_weights(parse_weights(source, "SOURCE"), folder, emit)
    emit(Fetched(source=source, new=new))


def chat_template_command(
    source: Annotated[
        str, typer.Argument(help="s3://bucket/prefix, a folder, or a hub id (owner/model@rev).")
    ],
) -> None:
    """Prints a model's chat template as the `chat_template` section of a run file.

    For runs whose runner cannot look into the model's folder: of an image, or a claim.
    """
    weights = parse_weights(source, "SOURCE")
    template = find_chat_template(partial(read_small_file, weights), source)
    if template is None:
        raise ModelError(f"{source}: has no chat template; a run of it has layout: headers")
    section = {"chat_template": template.model_dump(mode="json")}
    print(yaml.safe_dump(section, sort_keys=False, allow_unicode=True), end="")
