# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""On which CPUs the threads of this process run, and with which priority."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from vastares_ros.core.errors import ConfigError

TASKS = Path("/proc/self/task")
ALLOW = "allow it by a line `USER - rtprio 99` in /etc/security/limits.conf and log in anew"


class Scheduling:
    """Sets the CPUs and the priority of all threads that this process has, and sets them back.

    Threads that begin later have the same CPUs, but the usual priority: what they do may wait.
    """

    def __init__(self) -> None:
        """Change nothing yet."""
        self._cpus: set[int] | None = None  # those before
        self._realtime = False

    def apply(self, cpus: Collection[int], priority: int) -> str:
        """Set what is asked for.

        Args:
            cpus: numbers of the CPUs to run on; empty for no change.
            priority: of SCHED_FIFO, 1 to 99; 0 for no change.

        Returns:
            Why the priority is not set though it was asked for; empty where it is.

        Raises:
            ConfigError: a CPU is not there, or this system cannot do that.
        """
        if (cpus or priority) and not hasattr(os, "sched_setaffinity"):
            name = "cpu_affinity" if cpus else "realtime_priority"
            raise ConfigError(f"parameter {name} needs Linux: leave it unset", field=name)
        if cpus:
            before = os.sched_getaffinity(0)
            if absent := set(cpus) - before:
                there = ", ".join(map(str, sorted(before)))
                raise ConfigError(
                    f"parameter cpu_affinity has CPU {min(absent)}, and this process may run on {there}",
                    field="cpu_affinity",
                    value=min(absent),
                )
            self._cpus = self._cpus or before
            _for_each_thread(lambda thread: os.sched_setaffinity(thread, cpus))
        if priority:
            try:
                _set_policy(os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, priority)
            except PermissionError:
                return f"realtime_priority {priority} is not permitted, so the usual priority stays: {ALLOW}"
            self._realtime = True
        return ""

    def restore(self) -> None:
        """Set all threads back to how they were."""
        if cpus := self._cpus:
            _for_each_thread(lambda thread: os.sched_setaffinity(thread, cpus))
        if self._realtime:
            _set_policy(os.SCHED_OTHER, 0)
        self._cpus, self._realtime = None, False


def _set_policy(policy: int, priority: int) -> None:
    parameter = os.sched_param(priority)
    _for_each_thread(lambda thread: os.sched_setscheduler(thread, policy, parameter))


def _for_each_thread(change: Callable[[int], None]) -> None:
    for thread in TASKS.iterdir():
        with suppress(ProcessLookupError):  # it may have ended meanwhile
            change(int(thread.name))
