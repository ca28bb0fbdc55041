"""Logs are JSON lines."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest

from selfalign.telemetry.logs import setup_logging
from selfalign.telemetry.metrics import Metrics


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:], root.level = handlers, level


def test_lines(stream: io.StringIO) -> None:
    setup_logging("INFO", stream)
    setup_logging("INFO", stream)
    logger = logging.getLogger("selfalign.test")
    logger.debug("not shown")
    logger.info("row %d\nis done", 3, extra={"stage": "align", "odd": {1}})
    try:
        raise ValueError("bad")
    except ValueError:
        logger.exception("failed")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["message"] == "row 3\nis done"
    assert (first["level"], first["logger"]) == ("info", "selfalign.test")
    assert (first["stage"], first["odd"]) == ("align", "{1}")
    assert "ValueError: bad" in second["exception"]


def test_client_libraries_are_quiet(stream: io.StringIO) -> None:
    setup_logging("INFO", stream)
    logging.getLogger("httpx2").info("POST /generate")
    assert stream.getvalue() == ""


def test_metrics_of_two_objects_are_apart() -> None:
    one, two = Metrics(), Metrics()
    one.engine_prompt_tokens.inc(5)
    assert b"selfalign_engine_prompt_tokens_total 5.0" in generate_latest(one.registry)
    assert b"selfalign_engine_prompt_tokens_total 0.0" in generate_latest(two.registry)
