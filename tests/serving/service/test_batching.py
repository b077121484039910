import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from crisol.serving.http.errors import ApiError
from crisol.serving.service.batching import ALONE, MicroBatcher


class Network:
    """Doubles numbers; waits for `gate` first, notes every batch, fails on negative ones."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[int] = set()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, rows: Sequence[int]) -> Sequence[int]:
        self.gate.wait(5)
        self.batches.append(list(rows))
        self.threads.add(threading.get_ident())
        if any(row < 0 for row in rows):
            raise ValueError("negative")
        return [2 * row for row in rows]


def batcher(network: Any, **changes: Any) -> MicroBatcher:
    settings: dict[str, Any] = {"max_batch": 4, "max_queue": 100, "timeout_s": 5.0}
    return MicroBatcher(network, observe=lambda rows, seconds: None, **settings | changes)


async def until(condition: Any) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("the condition did not come true")


def test_order_is_kept_and_queued_rows_travel_together() -> None:
    async def body() -> None:
        network = Network()
        network.gate.clear()
        one = batcher(network)
        one.start()
        first = asyncio.create_task(one.submit([1]))
        await asyncio.sleep(0.05)  # the first is in the network; the rest queue behind it
        rest = [asyncio.create_task(one.submit([n])) for n in range(2, 10)]
        await asyncio.sleep(0.05)
        network.gate.set()
        answers = [(await task)[0] for task in (first, *rest)]
        await one.close()
        assert answers == [[2 * n] for n in range(1, 10)]
        assert network.batches == [[1], [2, 3, 4, 5], [6, 7, 8, 9]]
        assert len(network.threads) == 1

    asyncio.run(body())


def test_a_request_larger_than_a_batch_is_cut_and_put_together_again() -> None:
    async def body() -> None:
        network = Network()
        one = batcher(network)
        one.start()
        outputs, milliseconds = await one.submit(list(range(10)))
        await one.close()
        assert outputs == [2 * n for n in range(10)]
        assert [len(batch) for batch in network.batches] == [4, 4, 2]
        assert milliseconds > 0
        assert one.pending_rows == 0

    asyncio.run(body())


def test_a_failing_request_does_not_poison_its_neighbours() -> None:
    async def body() -> None:
        network = Network()
        network.gate.clear()
        one = batcher(network)
        one.start()
        first = asyncio.create_task(one.submit([1]))
        await asyncio.sleep(0.05)
        tasks = [asyncio.create_task(one.submit([n])) for n in (2, -3, 4)]
        await asyncio.sleep(0.05)
        network.gate.set()
        outcomes = await asyncio.gather(first, *tasks, return_exceptions=True)
        after = await one.submit([5])
        await one.close()
        assert [o[0] for o in (outcomes[0], outcomes[1], outcomes[3])] == [[2], [4], [8]]
        assert isinstance(outcomes[2], ValueError)
        assert after[0] == [10]
        assert one.pending_rows == 0

    asyncio.run(body())


def test_an_answer_of_the_wrong_length_is_an_error() -> None:
    async def body() -> None:
        one = batcher(lambda rows: [0])
        one.start()
        with pytest.raises(RuntimeError, match="2 rows with 1 outputs"):
            await one.submit([1, 2])
        await one.close()

    asyncio.run(body())


def test_cancelled_requests_never_reach_the_network() -> None:
    async def body() -> None:
        network = Network()
        network.gate.clear()
        one = batcher(network)
        one.start()
        first = asyncio.create_task(one.submit([1]))
        await asyncio.sleep(0.05)
        gone, stays = (asyncio.create_task(one.submit([n])) for n in (2, 3))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0)
        network.gate.set()
        assert (await first)[0] == [2]
        assert (await stays)[0] == [6]
        with pytest.raises(asyncio.CancelledError):
            await gone
        await until(lambda: one.pending_rows == 0)
        await one.close()
        assert network.batches == [[1], [3]]

    asyncio.run(body())


def test_a_full_queue_refuses_with_retry_after() -> None:
    async def body() -> None:
        network = Network()
        network.gate.clear()
        one = batcher(network, max_queue=3)
        one.start()
        held = asyncio.create_task(one.submit([1, 2]))
        await asyncio.sleep(0.01)
        with pytest.raises(ApiError) as refused:
            await one.submit([3, 4])
        assert (refused.value.status, refused.value.code) == (503, "overloaded")
        assert refused.value.headers["retry-after"] == "1"
        network.gate.set()
        assert (await held)[0] == [2, 4]
        await until(lambda: one.pending_rows == 0)
        assert (await one.submit([3, 4]))[0] == [6, 8]
        await one.close()

    asyncio.run(body())


def test_waiting_ends_with_504() -> None:
    async def body() -> None:
        network = Network()
        network.gate.clear()
        one = batcher(network, timeout_s=0.05)
        one.start()
        started = time.perf_counter()
        with pytest.raises(ApiError) as late:
            await one.submit([1])
        assert late.value.status == 504
        assert time.perf_counter() - started < 2
        network.gate.set()
        await one.close()

    asyncio.run(body())


def test_closing_finishes_what_is_queued_and_takes_nothing_new() -> None:
    async def body() -> None:
        network = Network()
        network.gate.clear()
        one = batcher(network, max_batch=1)
        one.start()
        tasks = [asyncio.create_task(one.submit([n])) for n in (1, 2, 3)]
        await asyncio.sleep(0.02)
        closing = asyncio.create_task(one.close())
        await asyncio.sleep(0.02)
        network.gate.set()
        await closing
        assert [(await task)[0] for task in tasks] == [[2], [4], [6]]
        with pytest.raises(ApiError) as refused:
            await one.submit([4])
        assert refused.value.status == 503

    asyncio.run(body())


def test_a_lone_quick_row_runs_in_the_event_loop_until_another_client_comes() -> None:
    async def body() -> None:
        network = Network()
        one = batcher(network, inline_s=0.5)
        one.start()
        loop_thread = threading.get_ident()
        for n in range(ALONE):
            assert (await one.submit([n]))[0] == [2 * n]
        assert loop_thread not in network.threads
        outputs, milliseconds = await one.submit([50])
        assert (outputs, milliseconds > 0) == ([100], True)
        assert loop_thread in network.threads
        with pytest.raises(ValueError, match="negative"):
            await one.submit([-1])
        for n in range(ALONE):  # one of these goes through the thread
            await one.submit([n])
        network.threads.clear()
        for _ in range(2 * ALONE):  # two clients in step: the thread takes over
            await asyncio.gather(one.submit([1]), one.submit([2]))
        network.threads.clear()
        await asyncio.gather(*(one.submit([n]) for n in range(8)))
        assert loop_thread not in network.threads
        assert one.pending_rows == 0
        await one.close()

    asyncio.run(body())


@pytest.mark.parametrize(("inline_s", "pause_s"), [(0.0, 0.0), (0.001, 0.005)])
def test_rows_that_may_wait_or_are_slow_stay_in_the_thread(inline_s: float, pause_s: float) -> None:
    async def body() -> None:
        network = Network()

        def infer(rows: Sequence[int]) -> Sequence[int]:
            time.sleep(pause_s)
            return network(rows)

        one = batcher(infer, inline_s=inline_s)
        one.start()
        for n in range(2 * ALONE):
            await one.submit([n])
        await one.close()
        assert threading.get_ident() not in network.threads

    asyncio.run(body())
