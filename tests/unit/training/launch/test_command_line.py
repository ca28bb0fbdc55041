"""The command line: what each argument is taken for, and what is refused."""

import pytest

from selfalign_training.launch.command_line import RANK, parse
from selfalign_training.launch.torchrun import _ranks_here


@pytest.mark.parametrize(
    ("options", "ranks"),
    [
        (["--standalone", "--nproc-per-node=2"], 2),
        (["--nnodes", "1", "--nproc_per_node", "3"], 3),
        (["--nproc-per-node=auto"], 1),
        (["--standalone", "--nproc-per-node"], 1),
        ([], 1),
    ],
)
def test_torchruns_options_are_left_to_torchrun(options: list[str], ranks: int) -> None:
    parsed = parse(["launch", *options, "job.yaml"])
    assert (parsed.torchrun, parsed.config) == (options, "job.yaml")
    assert _ranks_here(parsed.torchrun) == ranks


def test_a_file_alone_is_a_rank() -> None:
    parsed = parse(["job.yaml"])
    assert (parsed.command, parsed.config) == (RANK, "job.yaml")
    parsed = parse(["check", "job.yaml", "8"])
    assert (parsed.command, parsed.config, parsed.ranks) == ("check", "job.yaml", "8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["job.yaml", "other.yaml"], "unknown arguments: other.yaml"),
        (["node", "job.yaml", "--nnodes=2"], "unknown arguments: --nnodes=2"),
        (["launch"], "CONFIG is missing"),
        (["check"], "required: CONFIG"),
        (["--log"], "required: COMMAND"),
    ],
)
def test_what_makes_no_sense_ends_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
