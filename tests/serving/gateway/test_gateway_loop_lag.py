"""The event loop's lag as a figure."""

import asyncio
import time

from prometheus_client import CollectorRegistry, Histogram

from serving.gateway.telemetry.loop_lag import LOOK_SECONDS, watched_loop


def _histogram():
    return Histogram("lag", "Lag.", registry=CollectorRegistry())


def _figure(lag, name):
    (family,) = lag.collect()
    return next(sample.value for sample in family.samples if sample.name == name)


def test_a_loop_that_is_held_is_late():
    lag = _histogram()
    held_seconds = 10 * LOOK_SECONDS

    async def hold():
        async with watched_loop(lag):
            await asyncio.sleep(0)  # it looks now, and again in a moment
            time.sleep(held_seconds)
            while not _figure(lag, "lag_count"):
                await asyncio.sleep(0)

    asyncio.run(hold())
    assert _figure(lag, "lag_sum") >= held_seconds - LOOK_SECONDS


def test_the_watch_ends_with_the_gateway():
    async def tasks_after():
        async with watched_loop(_histogram()):
            assert len(asyncio.all_tasks()) == 2
        return asyncio.all_tasks()

    assert len(asyncio.run(tasks_after())) == 1


def test_a_gateway_tells_its_lag(start_gateway):
    gateway = start_gateway()
    while "kakeai_loop_lag_seconds_count 0.0" in gateway.client.get("/metrics").text:
        pass  # the test's own time limit ends this
    assert 'kakeai_loop_lag_seconds_bucket{le="0.02"}' in gateway.client.get("/metrics").text
