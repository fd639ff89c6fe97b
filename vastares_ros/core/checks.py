# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a check of a recording says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["pass", "warn", "fail", "unknown"]
WORST: tuple[Status, ...] = ("pass", "unknown", "warn", "fail")
"""From good to bad; "unknown" is a question that the recording cannot answer."""


@dataclass(frozen=True)
class Check:
    """One question about a recording, and its answer.

    Attributes:
        name: of the question.
        status: "pass", "warn", "fail", or "unknown" where the recording cannot answer it.
        finding: the answer, in a few words.
        evidence: what it rests on, or what is needed to answer, in one sentence.
        confidence: that the answer is right, 0 to 1; 0 where there is none.
        joint: whose answer it is; empty where it is of the whole recording.
        advice: the next step; empty for none.
    """

    name: str
    status: Status
    finding: str
    evidence: str
    confidence: float = 1.0
    joint: str = ""
    advice: str = ""
