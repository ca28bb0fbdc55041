"""`python -m selfalign.model_server`: serves one model folder."""

import argparse
import asyncio
import logging
import os
import sys
from typing import Any, get_args

from pydantic import ValidationError

from selfalign.errors import ConfigError, SelfAlignError
from selfalign.model_server.settings import ServerSettings


def parse_settings(argv: list[str]) -> ServerSettings:
    """One option for each setting.

    Raises:
        ConfigError: a value is out of range.
    """
    parser = argparse.ArgumentParser(
        prog="python -m selfalign.model_server",
        description="CPU model server with TGI's HTTP API (LLaMA architecture).",
        argument_default=argparse.SUPPRESS,
    )
    for name, field in ServerSettings.model_fields.items():
        text = name == "host" or field.annotation in (str, str | None)
        choices = get_args(field.annotation) if name == "dtype" else None
        kind: Any = str if text or choices else int
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            choices=choices,
            required=field.is_required(),
            help=None if field.is_required() else f"default: {field.default}",
        )
    given = vars(parser.parse_args(argv))
    given.setdefault("api_key", os.environ.get("SELFALIGN_MODEL_SERVER_API_KEY"))
    try:
        return ServerSettings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise ConfigError(f"{option} {first['input']}: {first['msg']}") from error


def main(argv: list[str]) -> int:
    """Runs the server; returns the exit code."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s"
    )
    # Before torch is imported: waiting OpenMP threads must not burn the cores others need.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        settings = parse_settings(argv)
        from selfalign.model_server.api.gate import Gate
        from selfalign.model_server.serving import build_api, serve

        gate = Gate(settings.api_key)
        asyncio.run(serve(build_api(settings), gate, settings.host, settings.port))
    except SelfAlignError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
