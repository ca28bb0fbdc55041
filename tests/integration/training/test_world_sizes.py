"""ZeRO stages agree, and a job goes on with another number of ranks."""

import signal

import pytest

from support.training_job import Job, MakeJob, epochs_of_samples, prompt_ids, sending

pytestmark = [
    pytest.mark.slow,
    # Twenty seconds a start on an idle machine, nearly all of it imports in several processes.
    pytest.mark.timeout(1200),
]
STEPS_IN_EPOCH = 5
SETTINGS = {"dtype": "fp32", "lora": {"dropout": 0.0}, "log_samples": True}


@pytest.fixture(scope="module")
def stages(make_job: MakeJob) -> dict[int, Job]:
    """An undisturbed job of each stage, on two ranks."""
    jobs = {stage: make_job(**SETTINGS, zero_stage=stage) for stage in range(4)}
    for job in jobs.values():
        assert job.run() == 0, job.stderr
    return jobs


def losses(job: Job) -> list[float]:
    return [record["loss"] for record in job.metrics()]


def test_all_stages_give_the_same_curve(stages: dict[int, Job]) -> None:
    plain = losses(stages[0])
    assert len(plain) == 2 * STEPS_IN_EPOCH
    for job in stages.values():
        assert losses(job) == pytest.approx(plain, abs=1e-4)
        assert epochs_of_samples(job, STEPS_IN_EPOCH) == [sorted(prompt_ids(job))] * 2


@pytest.mark.parametrize(
    ("stage", "ranks"), [(0, (2, 1)), (1, (2, 1)), (2, (2, 1, 2)), (3, (2, 1, 2))]
)
def test_another_number_of_ranks_goes_on_where_the_last_stopped(
    make_job: MakeJob, stages: dict[int, Job], stage: int, ranks: tuple[int, ...]
) -> None:
    """In the middle of an epoch: no sample is lost or seen twice."""
    job = make_job(**SETTINGS, zero_stage=stage)
    done = 0
    for count in ranks[:-1]:
        assert job.run(sending(done + 2, signal.SIGTERM), ranks=count) == 143, job.stderr
        assert min(job.losses()) == done + 1
        done = max(job.losses())
        assert job.checkpoints()[-1] == done
    assert done < 2 * STEPS_IN_EPOCH
    assert job.run(ranks=ranks[-1]) == 0, job.stderr
    assert min(job.losses()) == done + 1
    assert losses(job) == pytest.approx(losses(stages[stage]), abs=1e-4)
    assert epochs_of_samples(job, STEPS_IN_EPOCH) == [sorted(prompt_ids(job))] * 2
