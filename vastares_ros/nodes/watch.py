"""Why a node gives less than it should: counts what became of the joint states, and says it in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

LOOK = 1.0  # seconds between two looks
IDLE_LOOKS = 2  # looks without a sample before that is worth a word


class Watch:
    """What became of the joint states of a topic; `look` is called every `LOOK` seconds."""

    def __init__(self, topic: str, period: float):
        """Complain at most once in `period` [s]."""
        self._topic = topic
        self._period = period
        self._names: Sequence[str] = ()
        self._idle = 0  # looks without a sample
        self._pause = 0.0  # seconds until the next complaint
        self._completed = False
        self._messages = 0
        self._problems: Counter[str] = Counter()
        self._details: dict[str, str] = {}

    def message(self, names: Sequence[str]) -> None:
        """A message came."""
        self._messages += 1
        self._names = names

    def sample(self) -> None:
        """It completed a sample."""
        self._completed = True

    def problem(self, reason: str, detail: str = "") -> None:
        """It was of no or little use; of the most frequent reason the newest detail is told."""
        self._problems[reason] += 1
        self._details[reason] = detail

    def look(self, publishers: int, missing: Sequence[str]) -> str:
        """What has been wrong since the last complaint; empty if nothing has, or if it is too early to say so.

        Args:
            publishers: how many the topic has.
            missing: joints that were not published since the last sample.
        """
        self._idle = 0 if self._completed else self._idle + 1
        self._completed = False
        self._pause -= LOOK
        if self._pause > 0:
            return ""
        text = self._complaint(publishers, missing)
        if text:
            self._pause = self._period
        self._messages = 0
        self._problems.clear()
        return text

    def _complaint(self, publishers: int, missing: Sequence[str]) -> str:
        if self._problems:
            ((reason, count),) = self._problems.most_common(1)
            detail = f" ({self._details[reason]})" if self._details[reason] else ""
            return f"{count} of {self._messages} joint states on {self._topic}: {reason}{detail}"
        if self._idle < IDLE_LOOKS:
            return ""
        if self._messages:
            return f"joints missing on {self._topic}: {', '.join(missing)}; published are {', '.join(self._names)}"
        if publishers:
            return f"no joint states on {self._topic}, though it has a publisher: is the robot's driver connected?"
        return f"no joint states on {self._topic}, which has no publisher: remap joint_states to the robot's topic"
