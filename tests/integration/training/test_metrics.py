"""Metrics of real jobs, as a scraper and as a reader of the store's log sees them."""

import socket
import subprocess
import time
import urllib.request

import pytest

from support.training_job import Job, MakeJob

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def jobs(make_job: MakeJob) -> tuple[Job, Job, list[str]]:
    """The same training without ZeRO on two ranks and with ZeRO-1 on one; scrapes of the first."""
    common = {"dtype": "fp32", "lora": {"dropout": 0.0}, "epochs": 2, "save_steps": 2}
    port = free_port()
    plain = make_job(**common, zero_stage=0, metrics_port=port)
    scrapes = []

    def scrape(step: int, process: subprocess.Popen[str]) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            scrapes.append(answer.read().decode())

    assert plain.run(scrape) == 0, plain.stderr
    sharded = make_job(**common, zero_stage=1)
    assert sharded.run_alone() == 0, sharded.stderr
    return plain, sharded, scrapes


def test_gradient_norms_are_there_without_zero_and_equal_zeros(
    jobs: tuple[Job, Job, list[str]],
) -> None:
    plain, sharded, _ = jobs
    for one, other in zip(plain.metrics(), sharded.metrics(), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-4)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-3)
        assert one["grad_norm"] > 0


def test_tokens_padding_and_rates_add_up(jobs: tuple[Job, Job, list[str]]) -> None:
    plain, _, _ = jobs
    details, records = plain.manifest()["details"], plain.metrics()
    # Five steps of eight hold 36 sequences; the others are fillers of two tokens.
    fillers = 2 * (5 * 8 - 36)
    per_epoch = details["tokens"] + fillers
    assert sum(record["tokens"] for record in records) == 2 * per_epoch
    for record in records:
        assert record["tokens_per_s_rank"] == pytest.approx(record["tokens_per_s"] / 2, abs=0.1)
        assert record["tokens_per_s"] == pytest.approx(
            record["tokens"] / record["step_s"], rel=0.02, abs=0.1
        )
        assert 0 <= record["padding_share"] < 0.5
        assert record["mfu"] is None
    computed = sum(record["tokens"] / (1 - record["padding_share"]) for record in records[:5])
    assert 1 - per_epoch / computed == pytest.approx(details["padding_share"], abs=0.001)


def test_checkpoints_are_timed_apart_from_steps(jobs: tuple[Job, Job, list[str]]) -> None:
    records = jobs[0].metrics()
    stalls = [record["step"] for record in records if record["checkpoint_stall_s"] is not None]
    assert stalls == [3, 5, 7, 9]
    assert any(record["checkpoint_s"] is not None for record in records)
    told = [event for event in jobs[0].events if event["event"] == "checkpoint"]
    assert [event["step"] for event in told] == [2, 4, 6, 8, 10]


def test_a_scraper_sees_gauges_and_counters(jobs: tuple[Job, Job, list[str]]) -> None:
    last = jobs[2][-1]
    for kind, name in (
        ("gauge", "loss"),
        ("gauge", "grad_norm"),
        ("gauge", "tokens_per_s_rank"),
        ("counter", "tokens_total"),
        ("counter", "checkpoints_total"),
    ):
        assert f"# TYPE selfalign_training_{name} {kind}" in last
    assert 'selfalign_training_rows{outcome="dropped_empty"} 1.0' in last
    values = dict(line.rsplit(" ", 1) for line in last.splitlines() if not line.startswith("#"))
    assert float(values["selfalign_training_optimizer_steps_total"]) >= 9
    assert float(values["selfalign_training_checkpoints_total"]) >= 1
    age = time.time() - float(values["selfalign_training_checkpoint_timestamp_seconds"])
    assert 0 < age < 400
