"""Exit codes: one table for people, one meaning between processes, one list for Kubernetes."""

import pytest

from selfalign import errors
from selfalign.cli.app import HELP, build_app
from selfalign.errors import (
    EXIT_CODES,
    FINAL_EXIT_CODES,
    ConfigError,
    SelfAlignError,
    StageError,
    error_for_exit_code,
)


def tree(kind: type[SelfAlignError]) -> list[type[SelfAlignError]]:
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in tree(child))]


@pytest.mark.parametrize("kind", tree(SelfAlignError))
def test_every_error_is_in_the_overview_and_its_code_has_a_meaning(
    kind: type[SelfAlignError],
) -> None:
    (line,) = [
        line
        for line in (errors.__doc__ or "").splitlines()
        if kind.__name__ in line.split() and kind.grpc_status in line
    ]
    assert str(kind.exit_code) in line.split()
    assert kind.exit_code in EXIT_CODES


def test_every_code_with_a_meaning_belongs_to_an_error_or_to_no_error() -> None:
    codes = {kind.exit_code for kind in tree(SelfAlignError)} | {errors.DONE, errors.USAGE}
    assert set(EXIT_CODES) == codes
    assert list(EXIT_CODES) == sorted(EXIT_CODES)


@pytest.mark.parametrize("code", EXIT_CODES)
def test_an_exit_code_comes_back_as_an_error_with_that_code(code: int) -> None:
    kind = error_for_exit_code(code)
    if kind is not StageError and code != errors.USAGE:
        assert kind.exit_code == code


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (2, ConfigError),
        (64, ConfigError),
        (65, errors.DataError),
        (66, errors.ModelError),
        (69, errors.EngineUnavailable),
        (71, errors.PortInUse),
        (73, errors.StoreNotWritable),
        (74, errors.StoreError),
        (75, errors.TooManyFailures),
        (78, errors.FingerprintMismatch),
        # What says nothing of the cause.
        (1, StageError),
        (68, StageError),
        (70, StageError),
        (137, StageError),
        (-9, StageError),
    ],
)
def test_exit_codes_between_processes(code: int, kind: type[SelfAlignError]) -> None:
    assert error_for_exit_code(code) is kind


def test_a_code_is_final_for_all_errors_that_have_it_or_for_none() -> None:
    final = {kind.exit_code for kind in tree(SelfAlignError) if not kind.retry_helps}
    retried = {kind.exit_code for kind in tree(SelfAlignError) if kind.retry_helps}
    assert not final & retried
    assert set(FINAL_EXIT_CODES) == final | {errors.USAGE}


def test_help_lists_every_code() -> None:
    assert "{exit_codes}" in HELP
    text = build_app().info.help
    assert isinstance(text, str)
    assert all(f"{code} {meaning}" in text for code, meaning in EXIT_CODES.items())
