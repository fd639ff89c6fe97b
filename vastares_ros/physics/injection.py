# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Known pushes for recordings of free motion, so that real noise and a known external torque come together.

A profile says which wrench acts on which link at what time. By the principle of virtual work it shows in the joints as
`tau_ext = J^T F`, and the measured torque is smaller by that: `tau_meas = tau_free − tau_ext`. The motion stays as
recorded, as with a stiff controller. Pushes that move the arm come from `simulation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vastares_ros.core.arm import Arm
from vastares_ros.core.config import from_mapping
from vastares_ros.core.errors import ConfigError
from vastares_ros.core.samples import Array

from .rigid_body import RigidBody

SHAPES = ("step", "ramp", "pulse", "sine")
FRAMES = ("link", "base")


@dataclass(frozen=True)
class Event:
    """A push, or the same push again and again.

    Attributes:
        shape: how the wrench runs over its duration. "step": all of it from the first moment to the last; "ramp": grows
            evenly over `rise`, then stays; "pulse": swells and fades as sin², with its peak in the middle; "sine":
            swings with `period`, first in the direction given.
        start: since the first stamp of the recording [s].
        duration: [s].
        force: at the peak, three numbers [N].
        torque: at the peak, about the origin of the link, three numbers [N·m].
        rise: of a ramp, up to `duration` [s].
        period: of a sine [s].
        every: time from one start to the next, at least `duration` [s]; 0 for a single push.
        repeat: number of pushes, 0 for as many as the recording holds whole.
    """

    shape: str = "step"
    start: float = 0.0
    duration: float = 1.0
    force: Any = (0.0, 0.0, 0.0)
    torque: Any = (0.0, 0.0, 0.0)
    rise: float = 0.0
    period: float = 0.0
    every: float = 0.0
    repeat: int = 0

    def __post_init__(self) -> None:
        for name in ("force", "torque"):
            object.__setattr__(self, name, _vector(name, getattr(self, name)))
        if self.shape not in SHAPES:
            raise ConfigError(f"shape is {self.shape!r}: use {', '.join(SHAPES)}", field="shape", value=self.shape)
        if self.start < 0:
            raise ConfigError(
                f"start is {self.start:g}: use seconds since the first stamp, 0 or more",
                field="start",
                value=self.start,
                lower=0,
            )
        if self.duration <= 0:
            raise ConfigError(
                f"duration is {self.duration:g}: use seconds above 0", field="duration", value=self.duration, lower=0
            )
        if not any((*self.force, *self.torque)):
            raise ConfigError("force and torque are zero: give one of them", field="force")
        if self.shape == "ramp" and not 0 < self.rise <= self.duration:
            raise ConfigError(
                f"rise is {self.rise:g}: a ramp needs seconds above 0, up to its duration",
                field="rise",
                value=self.rise,
                lower=0,
                upper=self.duration,
            )
        if self.shape == "sine" and self.period <= 0:
            raise ConfigError(
                f"period is {self.period:g}: a sine needs seconds above 0", field="period", value=self.period, lower=0
            )
        for name, owner in (("rise", "ramp"), ("period", "sine")):
            if self.shape != owner and getattr(self, name):
                raise ConfigError(
                    f"{name} is of a {owner}: leave it out of a {self.shape}", field=name, value=getattr(self, name)
                )
        if self.every and self.every < self.duration:
            raise ConfigError(
                f"every is {self.every:g}: use the duration, {self.duration:g} s, or more",
                field="every",
                value=self.every,
                lower=self.duration,
            )
        if self.repeat < 0:
            raise ConfigError(
                f"repeat is {self.repeat}: use 1 or more, or 0 for as often as the recording allows",
                field="repeat",
                value=self.repeat,
                lower=0,
            )
        if self.repeat and not self.every:
            raise ConfigError(
                f"repeat is {self.repeat}: say with every how many seconds lie between two starts",
                field="repeat",
                value=self.repeat,
            )

    @property
    def starts(self) -> Array:
        """When each push begins, shape (repeat,) [s]; of an event without end only after `Profile.within`."""
        return self.start + self.every * np.arange(self.repeat if self.every else 1, dtype=np.float64)

    def wrench_at(self, t: ArrayLike) -> Array:
        """Force and torque at times t, shape (...) [s], as shape (..., 6) [N, N·m]."""
        since: Array = np.asarray(t, dtype=np.float64) - self.start
        if self.every:
            last = self.repeat - 1 if self.repeat else np.inf
            since = since - self.every * np.clip(np.floor(since / self.every), 0, last)
        match self.shape:
            case "step":
                share = np.ones_like(since)
            case "ramp":
                share = np.minimum(since / self.rise, 1)
            case "pulse":
                share = np.sin(np.pi * since / self.duration) ** 2
            case _:
                share = np.sin(2 * np.pi * since / self.period)
        during = (since >= 0) & (since < self.duration)
        peak: Array = np.array([*self.force, *self.torque])
        return np.where(during, share, 0.0)[..., None] * peak


@dataclass(frozen=True)
class Profile:
    """The wrench on one link over time: the sum of its events.

    Attributes:
        link: frame (link) of the URDF, at whose origin the wrench acts; empty for the robot's tip.
        frame: axes of force and torque: "link", which turn with it, or "base", those of the root link of the URDF.
        events: the pushes.
    """

    link: str = ""
    frame: str = "link"
    events: tuple[Event, ...] = ()

    def __post_init__(self) -> None:
        if self.frame not in FRAMES:
            raise ConfigError(f"frame is {self.frame!r}: use {' or '.join(FRAMES)}", field="frame", value=self.frame)

    def within(self, length: float) -> Profile:
        """The same for a recording of this length [s], where events without end have found theirs.

        Raises:
            ConfigError: an event does not end within the recording.
        """
        fitted = []
        for i, event in enumerate(self.events):
            if event.every and not event.repeat:
                fits = int((length - event.start - event.duration) // event.every) + 1
                event = replace(event, repeat=max(1, fits))
            end = event.starts[-1] + event.duration
            if end > length:
                raise ConfigError(
                    f"events[{i}] ends at {end:g} s, but the recording is {length:.2f} s long: "
                    "change its start, duration or repeat",
                    field=f"events[{i}]",
                    value=end,
                    upper=length,
                )
            fitted.append(event)
        return replace(self, events=tuple(fitted))

    def wrench_at(self, t: ArrayLike) -> Array:
        """Force and torque on the link at times t, shape (...) [s], as shape (..., 6) [N, N·m]."""
        return sum((event.wrench_at(t) for event in self.events), np.zeros((*np.shape(t), 6)))


def profile_from(values: Mapping[str, Any]) -> Profile:
    """A profile from the fields of its file.

    Raises:
        ConfigError: a field is unknown, of the wrong type or out of range, or there is no event.
    """
    profile = from_mapping(Profile, {name: value for name, value in values.items() if name != "events"})
    lines = values.get("events")
    if not isinstance(lines, list) or not lines:
        raise ConfigError(
            f"events is {lines!r}: list at least one push, as config/wrench_push.yaml does", field="events", value=lines
        )
    events = []
    for i, line in enumerate(lines):
        try:
            events.append(from_mapping(Event, line))
        except ConfigError as error:
            raise error.within(
                f"events[{i}]", field=f"events[{i}]" + (f".{error.field}" if error.field else "")
            ) from error
    return replace(profile, events=tuple(events))


class Injector:
    """The effect of a profile of pushes on one arm with J joints.

    Attributes:
        link: the link that is pushed.
        frame_id: frame in which the wrench is given: that of the link or, for axes of the base, the root link.
    """

    def __init__(self, profile: Profile, arm: Arm):
        """Set up for an arm.

        Args:
            profile: the pushes, already `within` the recording.
            arm: its J joints; its tip is pushed where the profile names no link.

        Raises:
            RobotError: pinocchio is not installed, or the URDF lacks a joint or the link.
        """
        self.link = profile.link or arm.tip
        self._profile = profile
        self._body = RigidBody(replace(arm, tip=self.link))
        self._turns = profile.frame == "link"
        self.frame_id = self.link if self._turns else arm.root

    def apply(self, t: Array, q: Array) -> tuple[Array, Array]:
        """External torque, shape (N, J) [N·m], and wrench in `frame_id`, shape (N, 6) [N, N·m], of N samples.

        The wrench is given as the message WrenchStamped demands: torque is about the origin of `frame_id`. So with axes
        of the base it is that about the base, where the profile has it about the link.

        Args:
            t: since the first stamp of the recording, shape (N,) [s].
            q: positions, shape (N, J) [rad].
        """
        wrench = self._profile.wrench_at(t)
        tau_ext = np.zeros_like(q)
        for i in np.flatnonzero(wrench.any(axis=1)):
            tau_ext[i] = self._body.tip_jacobian(q[i], self.link if self._turns else "").T @ wrench[i]
            if not self._turns:
                wrench[i, 3:] += np.cross(self._body.tip_position(q[i]), wrench[i, :3])
        return tau_ext, wrench


def _vector(name: str, value: Any) -> tuple[float, float, float]:
    numbers = (
        [x for x in value if type(x) in (int, float) and np.isfinite(x)] if isinstance(value, list | tuple) else []
    )
    if len(numbers) != 3 or len(value) != 3:
        raise ConfigError(
            f"{name} is {value!r}: use three numbers in brackets, as [0, 0, -10]", field=name, value=value
        )
    x, y, z = map(float, numbers)
    return x, y, z
