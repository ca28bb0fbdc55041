"""Two machines, in network namespaces of their own: one command each, and what ends them."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from selfalign_training.launch.exit_codes import NOT_RETRYABLE
from support.training_job import Job, MakeJob
from support.two_nodes import NoNamespaces, joined_namespaces, seconds_until, two_nodes

pytestmark = [
    pytest.mark.slow,
    # Twenty seconds a start on an idle machine, nearly all of it imports in four processes.
    pytest.mark.timeout(1500),
]
STEPS = 10
START_S = 500
# Far below the process group's time-out: closed sockets are noticed at once.
END_S = 60


@pytest.fixture(scope="module")
def namespaces() -> Iterator[list[str]]:
    try:
        with joined_namespaces() as names:
            yield names
    except NoNamespaces as error:
        pytest.skip(f"network namespaces cannot be made here: {error}")


def test_kill_and_sigterm_end_both_nodes_and_cost_no_step(
    make_job: MakeJob, namespaces: list[str], tmp_path: Path
) -> None:
    """Kill -9 of a rank, SIGTERM of a node, then to the end: the curve of one node, two ranks."""
    # A checkpoint waits for the upload of the last: at step 5 at least one is in the store.
    job = make_job(work_dir="work", save_steps=1)

    with two_nodes(job.config, tmp_path, namespaces) as (first, second):

        def murder(step: int) -> None:
            if step == 5:
                second.kill_rank()

        first.on_step = murder
        assert second.wait(START_S) == 137, second.stderr
        killed = time.monotonic()
        code = first.wait(END_S)
        print(f"node 0 ended {time.monotonic() - killed:.1f} s after node 1, with {code}")
        assert code not in (0, *NOT_RETRYABLE), first.stderr
        seconds_until(lambda: not first.survivors and not second.survivors, END_S)
    kept = job.checkpoints()[-1]

    with two_nodes(job.config, tmp_path, namespaces) as (first, second):

        def terminate(step: int) -> None:
            second.terminate()

        first.on_step = terminate
        codes = [node.wait(START_S) for node in (first, second)]
        assert codes == [143, 143], first.stderr + second.stderr
        resumed_at = min(event["step"] for event in first.events if event["event"] == "step")
        assert resumed_at == kept + 1
    stopped_at = job.checkpoints()[-1]
    assert not (job.output / "manifest.json").exists()

    with two_nodes(job.config, tmp_path, namespaces) as (first, second):
        codes = [node.wait(START_S) for node in (first, second)]
        assert codes == [0, 0], first.stderr + second.stderr
    details = job.manifest()["details"]
    assert (details["steps"], details["ranks"]) == (STEPS, 2)
    assert details["resumed_at_step"] == stopped_at

    undisturbed = make_job()
    assert undisturbed.run() == 0, undisturbed.stderr
    expected = [(record["step"], record["loss"]) for record in undisturbed.metrics()]
    assert [(record["step"], record["loss"]) for record in job.metrics()] == expected


def test_the_node_that_knows_tells_and_the_other_is_worth_a_retry(
    make_job: MakeJob, namespaces: list[str], tmp_path: Path, base_model: Path
) -> None:
    """Node 1's copy of the weights is torn; under ZeRO-3 both load the model together."""
    limits = {"process_group_timeout_s": 120}
    job: Job = make_job(work_dir="work", base_model="./model", zero_stage=3, **limits)
    for number in (0, 1):
        shutil.copytree(base_model, tmp_path / str(number) / "model")
    (tmp_path / "1" / "model" / "model.safetensors").write_bytes(b"torn")
    with two_nodes(job.config, tmp_path, namespaces) as (first, second):
        codes = [node.wait(START_S) for node in (first, second)]
        assert codes[1] == 66, second.stderr
        assert "base_model: cannot load ./model" in second.stderr
        assert codes[0] not in (0, *NOT_RETRYABLE), first.stderr
