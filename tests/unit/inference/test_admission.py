"""Admission: order, bounds, adaptation, cancellation."""

import asyncio

import pytest
from prometheus_client import generate_latest

from selfalign.inference.client import admission as module
from selfalign.inference.client.admission import Admission
from selfalign.telemetry.metrics import Metrics


async def test_slots_go_out_first_come_first_served() -> None:
    admission = Admission(2, Metrics())
    order: list[int] = []

    async def take(number: int) -> None:
        await admission.acquire()
        order.append(number)
        await asyncio.sleep(0.001)
        admission.release()

    await asyncio.gather(*(take(number) for number in range(20)))
    assert order == list(range(20))
    assert admission.inflight == 0


async def test_overload_lowers_the_limit_once_and_success_raises_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    admission = Admission(100, Metrics())
    for _ in range(100):
        await admission.acquire()
    for _ in range(50):
        admission.overloaded()
        admission.release()
    assert admission.limit == 70
    monkeypatch.setattr(module, "COOL_DOWN_S", 0.0)
    for _ in range(50):
        admission.overloaded()
    assert admission.limit == 1
    for _ in range(5000):
        admission.succeeded()
    assert admission.limit == 51, "grows no further than one above what is in use"


async def test_the_cap_is_never_passed() -> None:
    admission = Admission(4, Metrics())
    admission.set_cap(2)
    admission.set_cap(64)
    for _ in range(2):
        await admission.acquire()
    for _ in range(100):
        admission.succeeded()
    assert admission.limit == 2


async def test_a_cancelled_wait_loses_no_slot() -> None:
    admission = Admission(1, Metrics())
    await admission.acquire()
    waiters = [asyncio.create_task(admission.acquire()) for _ in range(3)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    await asyncio.sleep(0)
    # The second is given the slot and cancelled before it runs.
    admission.release()
    waiters[1].cancel()
    await asyncio.wait(waiters)
    assert waiters[1].cancelled()
    assert not waiters[2].cancelled()
    assert admission.inflight == 1
    admission.release()
    assert admission.inflight == 0


async def test_gauges_follow() -> None:
    metrics = Metrics()
    admission = Admission(1, metrics)
    await admission.acquire()
    waiter = asyncio.create_task(admission.acquire())
    await asyncio.sleep(0)
    text = generate_latest(metrics.registry).decode()
    for line in (
        "selfalign_engine_inflight 1.0",
        "selfalign_engine_pending 1.0",
        "selfalign_engine_concurrency_limit 1.0",
    ):
        assert line in text
    admission.release()
    await waiter
