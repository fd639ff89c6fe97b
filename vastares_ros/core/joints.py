# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From what was published to a `JointSample`: match by name, merge partial messages, scale effort.

Rule for partial messages: the newest value of each joint counts; a sample is complete as soon as every joint has been
published since the sample before, and bears the newest stamp. Foreign joints are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import VastaresError
from .samples import Array, JointSample

LAYOUTS = 16  # sets of names in messages whose places are remembered


def columns(joints: Sequence[str], names: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where the asked joints stand in a message.

    Args:
        joints: the J joints asked for.
        names: the names published, in message order.

    Returns:
        `(ours, theirs)`: index pairs so that `x[ours] = message[theirs]`; joints that are absent have no pair.

    Raises:
        VastaresError: a joint that was asked for is published twice in one message.
    """
    place: dict[str, int] = {}
    for i, name in enumerate(names):
        if name in place and name in joints:
            raise VastaresError(f"joint {name!r} stands twice in one message: is a driver misconfigured?", joint=name)
        place[name] = i
    ours = [i for i, joint in enumerate(joints) if joint in place]
    return np.array(ours, dtype=np.intp), np.array([place[joints[i]] for i in ours], dtype=np.intp)


def field(values: ArrayLike, theirs: NDArray[np.intp], n_names: int) -> Array:
    """Entries `theirs` of a message field that should have `n_names` values; NaN where it has not."""
    array = np.asarray(values, dtype=np.float64)
    return array[theirs] if len(array) == n_names else np.full(len(theirs), np.nan)


class JointAssembler:
    """Turns a stream of joint-state messages into samples of the joints asked for."""

    def __init__(self, joints: Sequence[str], scale: Sequence[float]):
        """Assemble `joints` (J names); published effort is multiplied by `scale`, shape (J,)."""
        self._joints = tuple(joints)
        self._scale = np.asarray(scale, dtype=np.float64)
        self._layouts: dict[tuple[str, ...], tuple[NDArray[np.intp], NDArray[np.intp]]] = {}
        self.reset()

    def reset(self) -> None:
        """Forget the values received so far, so that the next sample needs every joint anew."""
        self._values = np.full((3, len(self._joints)), np.nan)
        self._fresh = np.zeros(len(self._joints), dtype=bool)

    def push(
        self, t: float, names: Sequence[str], position: ArrayLike, velocity: ArrayLike, effort: ArrayLike
    ) -> JointSample | None:
        """Take one message in; t is its stamp [s].

        Returns:
            The sample that this message completes, or None.

        Raises:
            VastaresError: a joint that was asked for is published twice in one message.
        """
        key = tuple(names)
        if key not in self._layouts:
            if len(self._layouts) >= LAYOUTS:  # names that change all the time must not fill the memory
                self._layouts.clear()
            self._layouts[key] = columns(self._joints, key)
        ours, theirs = self._layouts[key]
        if len(ours) == len(self._joints):
            self._fresh[:] = False
            q, qd, tau = (field(values, theirs, len(key)) for values in (position, velocity, effort))
            return JointSample(t, q, qd, tau * self._scale)
        for row, values in enumerate((position, velocity, effort)):
            self._values[row, ours] = field(values, theirs, len(key))
        self._fresh[ours] = True
        if not len(ours) or np.count_nonzero(self._fresh) < len(self._fresh):
            return None
        self._fresh[:] = False
        q, qd, tau = self._values.copy()
        return JointSample(t, q, qd, tau * self._scale)

    @property
    def missing(self) -> tuple[str, ...]:
        """Joints not published since the last sample."""
        return tuple(j for j, fresh in zip(self._joints, self._fresh, strict=True) if not fresh)
