"""`selfalign weights`: bringing weights to where an engine or a trainer can load them."""

from pathlib import Path
from typing import Annotated

import typer

from selfalign.events import Fetched, emit
from selfalign.weights.fetch import fetch_weights
from selfalign.weights.source import parse_weights


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(help="Weights of models, in stores and folders.", no_args_is_help=True)
    group.command("fetch")(fetch_command)
    # A callback keeps `fetch` a subcommand while it is the only one.
    group.callback()(lambda: None)
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
