# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The CPUs and the priority of the node, on the threads of this process."""

import os
import threading
from pathlib import Path

import pytest

from vastares_ros.core.errors import ConfigError
from vastares_ros.nodes import scheduling
from vastares_ros.nodes.scheduling import Scheduling

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system is not Linux")


def threads():
    """CPUs and policy of each thread of this process."""
    numbers = [int(task.name) for task in Path("/proc/self/task").iterdir()]
    return {n: (os.sched_getaffinity(n), os.sched_getscheduler(n) & ~os.SCHED_RESET_ON_FORK) for n in numbers}


def unchanged(before):
    """Whether the threads that were there before, and still are, have what they had: others come and go."""
    after = threads()
    return {n: after[n] for n in before if n in after} == {n: of for n, of in before.items() if n in after}


@pytest.fixture
def another():
    """Another thread, which waits."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    yield thread
    end.set()
    thread.join()


def test_all_threads_run_on_the_cpus_until_they_are_set_back(another):
    before, cpu = threads(), min(os.sched_getaffinity(0))
    made = Scheduling()
    try:
        assert made.apply([cpu], 0) == ""
        assert all(cpus == {cpu} for n, (cpus, _) in threads().items() if n in before)
    finally:
        made.restore()
    assert unchanged(before)


def test_no_change_is_no_change():
    before = threads()
    made = Scheduling()
    assert made.apply([], 0) == ""
    made.restore()
    assert unchanged(before)


def test_a_cpu_that_is_not_there_is_named_with_those_that_are():
    before = threads()
    with pytest.raises(ConfigError, match=r"cpu_affinity has CPU 4095, and this process may run on \d") as caught:
        Scheduling().apply([4095], 0)
    assert (caught.value.field, caught.value.value) == ("cpu_affinity", 4095)
    assert unchanged(before)


def test_the_priority_is_set_on_all_threads_or_said_not_to_be_permitted(another):
    before, made = threads(), Scheduling()
    try:
        problem = made.apply([], 10)
        policies = {policy for n, (_, policy) in threads().items() if n in before}
        assert policies == ({os.SCHED_OTHER} if problem else {os.SCHED_FIFO})
        assert not problem or "realtime_priority 10 is not permitted" in problem
        if not problem:
            began = []
            thread = threading.Thread(target=lambda: began.append(os.sched_getscheduler(0)))
            thread.start()
            thread.join()
            assert began == [os.SCHED_OTHER]  # what begins later may wait
    finally:
        made.restore()
    assert unchanged(before)


def test_what_is_not_permitted_is_one_line_and_changes_nothing(monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    before = threads()
    monkeypatch.setattr(scheduling.os, "sched_setscheduler", refuse)
    problem = Scheduling().apply([], 10)
    assert "not permitted" in problem and "limits.conf" in problem and "\n" not in problem
    assert unchanged(before)
