# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The health of a node, once a second: findings with what to do, and figures for plots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from vastares_ros.core.errors import printable
from vastares_ros.runtime.estimator import Estimate, Validity

PERIOD = 1.0  # seconds between two reports
IDLE_LOOKS = 2  # reports without a sample before that is a finding
PAUSE = 1.0  # seconds without a sample that are a pause, rather than lost samples
FULL = 0.8  # share of a period that is too much for an estimate: to take and send messages costs the rest
MIXED = (Validity.CLOCK_JUMPED, Validity.REPEATED, Validity.WRONG_RATE, Validity.TWO_PUBLISHERS)
INTERLEAVED = {v.value for v in MIXED}  # by two publishers
LOSSES = {v.value for v in (Validity.GAP, Validity.WRONG_RATE, Validity.LATE)}  # of a node that is too slow
MANY = 0.05  # share of the samples of a second that is worth a finding where they are passed over


class Level(IntEnum):
    """How well a node works; the numbers are those of `diagnostic_msgs/DiagnosticStatus`."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Finding:
    """A problem.

    Attributes:
        key: the same for findings of the same kind, so that the log does not repeat them every second.
        level: how bad it is.
        text: what is wrong and what to do, in one line.
    """

    key: str
    level: Level
    text: str


@dataclass(frozen=True)
class Report:
    """The health of a node over the last second.

    Attributes:
        findings: what is wrong, the worst or most frequent first.
        fine: the message where nothing is wrong.
        values: figures; a number stands alone, with its unit in the name, so that PlotJuggler shows it.
    """

    findings: Sequence[Finding] = ()
    fine: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def status(self, name: str, hardware: str) -> DiagnosticStatus:
        """As a message: level and text of the worst finding."""
        worst = max(self.findings, key=lambda finding: finding.level, default=Finding("", Level.OK, self.fine))
        return DiagnosticStatus(
            level=bytes([worst.level]),
            name=name,
            message=printable(worst.text),
            hardware_id=hardware,
            values=[KeyValue(key=key, value=_text(value)) for key, value in self.values.items()],
        )


class Watch:
    """Counts the problems of the joint states of a topic; `look` is called every `PERIOD` seconds."""

    def __init__(self, topic: str):
        """Watch `topic`, by its full name."""
        self._topic = topic
        self._idle = 0  # looks without a sample
        self._names: Sequence[str] = ()
        self._frame: str | None = None
        self._clear()

    def _clear(self) -> None:
        self._messages = self._samples = self._good = 0
        self._problems: Counter[str] = Counter()
        self._details: dict[str, str] = {}

    def message(self, frame_id: str, names: Sequence[str]) -> None:
        """Count a message that holds the joints `names`; it is a problem if `frame_id` differs from the one before."""
        self._messages += 1
        self._names = names
        if frame_id != self._frame:
            if self._frame is not None:
                self.problem(
                    "frame_id changes", f"from {self._frame!r} to {frame_id!r}: let one driver publish, or one frame"
                )
            self._frame = frame_id

    @property
    def heard(self) -> bool:
        """Whether a message came since the last look."""
        return self._messages > 0

    def sample(self, good: bool = True) -> None:
        """Count a sample that the newest message completed, and whether it is good."""
        self._samples += 1
        self._good += good

    def foreign(self, joints: Sequence[str]) -> list[str]:
        """Names in the newest message that are not among `joints`."""
        return [name for name in self._names if name not in joints]

    def problem(self, key: str, detail: str = "") -> None:
        """Count a problem of the newest message; of the details the newest is shown."""
        self._problems[key] += 1
        self._details[key] = detail

    def look(self, publishers: Sequence[str], missing: Sequence[str], overload: str = "") -> list[Finding]:
        """What has been wrong since the last look, the most frequent first.

        Args:
            publishers: the nodes that publish the topic.
            missing: joints that were not published since the last sample.
            overload: what this node being too slow leads to; it stands in place of what follows from that.
        """
        self._idle = 0 if self._samples else self._idle + 1
        level = Level.WARN if self._good else Level.ERROR
        findings = []
        if overload:
            findings.append(Finding("overload", level, overload))
            for key in LOSSES:
                self._problems.pop(key, None)
        findings += [
            Finding(key, level, f"{count} of {self._messages} joint states on {self._topic}: {key}{self._detail(key)}")
            for key, count in self._problems.most_common()
        ]
        if len(publishers) > 1 and INTERLEAVED & set(self._problems):
            text = f"{len(publishers)} publishers on {self._topic} whose stamps do not fit together"
            what = f"{text} ({', '.join(publishers)}): end all but one, or remap them"
            findings.insert(0, Finding("two publishers", level, what))
        if not findings and self._idle >= IDLE_LOOKS:
            findings.append(self._silence(publishers, missing))
        self._clear()
        return findings

    def _detail(self, key: str) -> str:
        return f" ({self._details[key]})" if self._details[key] else ""

    def _silence(self, publishers: Sequence[str], missing: Sequence[str]) -> Finding:
        if self._messages:
            what = f"joints missing on {self._topic}: {', '.join(missing)}; published are {', '.join(self._names)}"
            return Finding("joints missing", Level.ERROR, what)
        what = f"no joint states on {self._topic}, "
        if publishers:
            return Finding("silence", Level.STALE, what + "though it has a publisher: is the robot's driver connected?")
        return Finding("silence", Level.STALE, what + "which has no publisher: remap joint_states to the robot's topic")


class Tally:
    """Counts the samples of the estimator and its answers: rate, gaps, latency, age, validity.

    Attributes:
        rate: at which the model was trained [Hz].
        arrival: when the newest sample came, by a steady clock [s].
    """

    def __init__(self, rate: float):
        """Count samples that should come at `rate` [Hz]."""
        self.rate = rate
        self.arrival = float("-inf")
        self._stamp = float("nan")  # of the newest sample [s]
        self._samples = self._gaps = self._dropped = self._late = self._missed = 0  # since the node is active
        self._passed_over = 0
        self._clear()

    def _clear(self) -> None:
        self._ticks: list[float] = []
        self._estimates: list[float] = []  # the ticks that ran the model
        self._ages: list[float] = []  # of the estimates
        self._arrivals: list[float] = []  # of all samples
        self._passed = 0
        self._unanswered = 0  # samples passed over that there is an estimate for
        self._lost = 0
        self._steps, self._span = 0, 0.0
        self._validity: Counter[Validity] = Counter()
        self._outside: Counter[str] = Counter()

    def sample(self, t: float, arrival: float, refusal: Validity | None = None, passed_over: bool = False) -> None:
        """Count a sample.

        Args:
            t: its stamp [s].
            arrival: when its message came, by a steady clock [s].
            refusal: why there is no estimate for it; None where there is one.
            passed_over: whether it gets no answer.
        """
        self._samples += 1
        self._arrivals.append(arrival)
        self._gaps += refusal is Validity.GAP
        self._passed_over += passed_over
        self._passed += passed_over
        self._unanswered += passed_over and refusal is None
        step = t - self._stamp
        if 0 < step < PAUSE:
            self._steps += 1
            self._span += step
            lost = max(0, round(step * self.rate) - 1)
            self._lost += lost
            self._dropped += lost
            self._late += (arrival - self.arrival - step) * self.rate > 1
        self._stamp, self.arrival = t, arrival

    def answer(self, estimate: Estimate, age: float, tick: float) -> None:
        """Count the answer to a sample.

        Args:
            estimate: the answer.
            age: from the receipt of its message to the answer [s].
            tick: how long the answer took, with all that was passed over for it [s].
        """
        self._ticks.append(tick)
        if np.isfinite(estimate.tau_free).all():
            self._estimates.append(tick)
            self._ages.append(age)
        self._missed += tick * self.rate > 1
        self._validity[estimate.validity] += 1
        if estimate.validity is Validity.OUTSIDE_RANGE:
            self._outside.update(estimate.joints)

    def overload(self) -> str:
        """What this node being too slow led to in the last second, and what to do; empty if it is fast enough.

        It is too slow where it passes many samples over or, if it must answer all, where they are lost meanwhile.
        """
        tick = float(np.median(self._estimates)) if self._estimates else 0.0
        samples = len(self._arrivals)
        if self._unanswered > MANY * samples:
            led_to = f"{self._passed} of {samples} joint states of the last second were passed over"
        elif self._lost and tick * self.rate >= FULL:
            led_to = f"{self._lost} joint states of the last second were lost"
        else:
            return ""
        span = self._arrivals[-1] - self._arrivals[0]
        period = span / (samples - 1) if span > 0 else 1 / self.rate  # a bag may be played faster than its stamps say
        old = f", and estimates are up to {np.percentile(self._ages, 99) * 1e3:.1f} ms old (p99)" if self._ages else ""
        return (
            f"overload: an estimate takes {tick * 1e3:.1f} ms and a joint state comes every {period * 1e3:.1f} ms, so "
            f"{led_to}{old}: use a smaller network (`hidden`, `window`, or another `--model`), a rigid-body model "
            "(vastares identify) or another `engine`, or free the computer"
        )

    def values(self) -> dict[str, Any]:
        """The figures. Counts are since the node is active, all else is over the last second, which begins anew."""
        samples, answers = len(self._arrivals), len(self._ticks)
        p50, p99, longest = np.percentile(self._ticks, (50, 99, 100)) * 1e6 if answers else (0.0, 0.0, 0.0)
        age_p50, age_p99 = np.percentile(self._ages, (50, 99)) * 1e3 if self._ages else (0.0, 0.0)
        reasons = [f"{v.value} {n}" for v, n in self._validity.most_common() if v is not Validity.VALID]
        values = {
            "rate_hz": self._steps / self._span if self._span else 0.0,
            "trained_rate_hz": self.rate,
            "samples": self._samples,
            "passed_over": self._passed_over,
            "passed_over_share": self._passed / samples if samples else 0.0,
            "age_p50_ms": float(age_p50),
            "age_p99_ms": float(age_p99),
            "dropped": self._dropped,
            "late": self._late,
            "gaps": self._gaps,
            "tick_p50_us": float(p50),
            "tick_p99_us": float(p99),
            "tick_max_us": float(longest),
            "missed_deadlines": self._missed,
            "valid_share": self._validity[Validity.VALID] / answers if answers else 0.0,
            "invalid": ", ".join(reasons) or "none",
            "outside_training_range": ", ".join(f"{joint} {n}" for joint, n in self._outside.most_common()) or "none",
        }
        self._clear()
        return values


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else printable(str(value))
