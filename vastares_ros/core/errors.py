# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Errors a user can act on.

Every message names the file, field or joint at fault and the next step. The command line prints the message alone
and exits with status 2; a node logs it and publishes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

E = TypeVar("E", bound="VastaresError")


def printable(text: str) -> str:
    r"""Text of which nothing acts on a terminal or a log: control characters are shown as `\x1b`.

    Names of joints, topics and files come from others.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def printable_lines(text: str) -> str:
    """The same of text of several lines, which stay lines."""
    return "\n".join(map(printable, text.split("\n")))


class VastaresError(Exception):
    """Base of every error that is shown to a user without a traceback.

    What the message names is also there for programs. Each attribute is None in an error that does not speak of it.

    Attributes:
        joint: name of the joint at fault, the first one if there are several.
        field: field, parameter or option at fault, with its place in the file, for example "filter.order".
        value: what was given or found.
        lower: smallest value allowed, in the unit of `value`.
        upper: largest value allowed, likewise.
        unit: unit of a torque that cannot be used.
        path: file or folder at fault.
        topic: topic at fault.
        recording: name of the recording at fault.
        robot: name of the robot at fault.
    """

    def __init__(
        self,
        message: str,
        *,
        joint: str | None = None,
        field: str | None = None,
        value: object = None,
        lower: float | None = None,
        upper: float | None = None,
        unit: str | None = None,
        path: str | Path | None = None,
        topic: str | None = None,
        recording: str | None = None,
        robot: str | None = None,
    ):
        """Say in `message` what is wrong and what to do; the rest is what it names, see `Attributes`."""
        super().__init__(printable(message))
        self.joint = joint
        self.field = field
        self.value = value
        self.lower = lower
        self.upper = upper
        self.unit = unit
        self.path = path
        self.topic = topic
        self.recording = recording
        self.robot = robot

    @property
    def about(self) -> dict[str, Any]:
        """The attributes that are not None, by name."""
        return {name: value for name, value in vars(self).items() if value is not None and name[0] != "_"}

    def within(self: E, place: object, **about: Any) -> E:
        """The same error for a larger thing that contains the fault.

        Args:
            place: put before the message, for example the path of a file.
            about: attributes to add or replace.
        """
        return type(self)(f"{place}: {self}", **(self.about | about))


def one_line(error: BaseException) -> str:
    """The text of an error of a library in one line without a full stop at the end, or its kind if it has no text."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def in_words(error: BaseException) -> str:
    """An error of this package as it is; of another one its kind, too, which its text often needs."""
    if isinstance(error, VastaresError):
        return str(error)
    kind, text = type(error).__name__, one_line(error)
    return kind if text == kind else f"{kind}: {text:.300}"


class BagError(VastaresError):
    """A bag, or a topic in it, cannot be read as joint states."""


class DatasetError(VastaresError):
    """A dataset folder is missing, foreign, damaged or unfit for what was asked."""


class BundleError(VastaresError):
    """A bundle is missing, altered, of another version or unfit for the robot."""


class RobotError(VastaresError):
    """A robot description is unknown or does not match the joints at hand."""


class ConfigError(VastaresError):
    """A configuration field is unknown, of the wrong type or out of range."""


class DeviceError(VastaresError):
    """The compute device asked for is not there."""


class EngineError(VastaresError):
    """The engine asked for cannot run a model here, or gives other torques than it should."""


class OutputError(VastaresError):
    """Output would overwrite something, or a tool needed to write it is not installed."""
