"""Files that a run names are read before any work starts."""

from pathlib import Path

import pytest

from selfalign.errors import ConfigError
from selfalign.pipeline.run.run_file import parse_run_config
from selfalign.pipeline.runner.preflight import check_files

PROBE = "- {id: a, kind: k, prompt: 'Why?', scorer: %s}\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("mine.yaml", PROBE % "judge", r"mine\.yaml: line 1: scorer: 'judge' is not known"),
        ("mine.yaml", PROBE % "declines" * 2, r"mine\.yaml: line 2: id: 'a' stands on line 1"),
        ("mine.txt", PROBE % "declines", r"evaluate\.probes_file: .*unknown kind of file"),
    ],
)
def test_a_wrong_file_of_probes_is_refused(
    name: str, text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text)
    config = parse_run_config(
        f"name: one\nstore: {tmp_path}/store\nmodel: {{base: owner/model}}\n"
        f"evaluate: {{probes_file: {path}}}\n",
        "run.yaml",
    )
    with pytest.raises(ConfigError, match=message):
        check_files(config)
    assert not (tmp_path / "store").exists()
