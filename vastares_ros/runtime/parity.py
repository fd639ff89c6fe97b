# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Whether the live node and the same pipeline offline give the same outputs, to the last bit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vastares_ros.core.errors import VastaresError
from vastares_ros.core.samples import Array

from .outputs import OUTPUTS
from .pipeline import Pipeline

Fields = tuple[int, Sequence[str], ArrayLike, ArrayLike, ArrayLike]


class Answers:
    """The outputs in answer to each of M messages.

    Attributes:
        values: the values of each output by its name, shape (M, width); NaN where there was no answer.
        came: whether there was an answer, by the name of the output, shape (M,).
        strays: answers that belong to no message, or came a second time.
        passed_over: samples that the node says it passed over.
        latency: from publishing a message to having its estimated torque, shape (M,) [s]; NaN where none came, and
            throughout offline.
    """

    def __init__(self, messages: int, joints: int):
        """Begin without an answer to any of `messages` (M) messages."""
        self.values = {output.name: np.full((messages, output.width(joints)), np.nan) for output in OUTPUTS}
        self.came = {output.name: np.zeros(messages, dtype=bool) for output in OUTPUTS}
        self.strays = 0
        self.passed_over = 0
        self.latency = np.full(messages, np.nan)

    def put(self, name: str, i: int, values: ArrayLike) -> None:
        """Note the answer to message `i`."""
        self.values[name][i] = values
        self.came[name][i] = True


@dataclass(frozen=True)
class OutputParity:
    """One output, live beside offline.

    Attributes:
        expected: answers offline.
        received: answers live.
        missing: answers offline that were not received.
        unexpected: answers live that there are none of offline.
        different: answers that are there on both sides, with other bits.
        max_difference: largest difference where there are both, None where there are not.
        equal: whether all are there with the same bits.
    """

    expected: int
    received: int
    missing: int
    unexpected: int
    different: int
    max_difference: float | None
    equal: bool


@dataclass(frozen=True)
class Parity:
    """All outputs, live beside offline.

    Attributes:
        outputs: by name.
        strays: answers that belong to no message, or came a second time.
        passed_over: samples that the node says it passed over: it took them in, and answered a newer one.
        latency_ms: p50, p99 and max of the latency; None where no answer came.
    """

    outputs: dict[str, OutputParity]
    strays: int
    passed_over: int
    latency_ms: dict[str, float | None]

    @property
    def equal(self) -> bool:
        """Whether every output is there with the same bits, and nothing else is."""
        return self.strays == 0 and all(output.equal for output in self.outputs.values())

    @property
    def answers_equal(self) -> bool:
        """Whether what was answered is there with the same bits, whatever is missing."""
        return self.strays == 0 and not any(o.different or o.unexpected for o in self.outputs.values())

    @property
    def missed(self) -> int:
        """Samples that the live node never answered: those that it passed over, and those that it never took in."""
        return self.outputs["valid"].missing


def run_offline(pipeline: Pipeline, messages: Sequence[Fields]) -> Answers:
    """The outputs of a pipeline in answer to M messages, without ROS.

    Raises:
        VastaresError: there is no estimate for any of them.
    """
    answers = Answers(len(messages), len(pipeline.joints))
    reasons: Counter[str] = Counter()
    for i, message in enumerate(messages):
        try:
            outputs = pipeline.push(*message)
        except VastaresError as error:
            reasons[str(error)] += 1
            continue
        reasons[outputs.estimate.validity.value if outputs else "joints missing"] += 1
        if outputs:
            for output, _, values in outputs.published():
                answers.put(output.name, i, values)
    if not answers.came["estimated_torque"].any():
        raise VastaresError(f"the bag gives no estimate with this bundle: {reasons.most_common(1)[0][0]}")
    return answers


def compare(live: Answers, offline: Answers) -> Parity:
    """The answers to the same messages, live beside offline."""
    outputs = {
        output.name: _compare(
            live.values[output.name], live.came[output.name], offline.values[output.name], offline.came[output.name]
        )
        for output in OUTPUTS
    }
    latency = live.latency[np.isfinite(live.latency)] * 1e3
    p50, p99, longest = np.percentile(latency, (50, 99, 100)).tolist() if len(latency) else (None, None, None)
    return Parity(outputs, live.strays, live.passed_over, {"p50": p50, "p99": p99, "max": longest})


def _compare(live: Array, here: NDArray[np.bool_], offline: Array, there: NDArray[np.bool_]) -> OutputParity:
    both = here & there
    same = ((live == offline) | (np.isnan(live) & np.isnan(offline))).all(axis=1)
    difference = np.abs(live - offline)[both]
    difference = difference[np.isfinite(difference)]  # both NaN is equal; one NaN is seen by `equal`
    return OutputParity(
        expected=int(there.sum()),
        received=int(here.sum()),
        missing=int((there & ~here).sum()),
        unexpected=int((here & ~there).sum()),
        different=int((both & ~same).sum()),
        max_difference=float(difference.max()) if len(difference) else None,
        equal=np.array_equal(here, there) and np.array_equal(live, offline, equal_nan=True),
    )
