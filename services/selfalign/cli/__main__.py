"""Entry point of `selfalign`: errors become messages and exit codes."""

import sys
import traceback

from selfalign.cli.app import build_app
from selfalign.errors import SelfAlignError


def main() -> None:
    """Runs the command line; exit codes are those of selfalign.errors."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command and returns its exit code; `--debug` anywhere shows tracebacks."""
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        build_app()(arguments, prog_name="selfalign")
    except SystemExit as end:
        # typer ends every command so; its own complaints about the command line carry 2.
        return end.code if isinstance(end.code, int) else 0
    except (SelfAlignError, ExceptionGroup) as error:
        return _fail(error, debug)
    except Exception as error:
        if not debug:
            print(f"internal error: {type(error).__name__}: {error}", file=sys.stderr)
            print("this is a defect; --debug shows where", file=sys.stderr)
            return SelfAlignError.exit_code
        traceback.print_exc()
        return SelfAlignError.exit_code
    return 0


def _fail(error: SelfAlignError | ExceptionGroup, debug: bool) -> int:
    """Prints an expected error; of a task group the first of its kind."""
    if debug:
        traceback.print_exception(error)
    first: BaseException = error
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    print(f"error: {first}", file=sys.stderr)
    return first.exit_code if isinstance(first, SelfAlignError) else SelfAlignError.exit_code


if __name__ == "__main__":
    main()
