# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From raw joint samples to what a network sees: low-pass filter, acceleration, features, windows.

[1] filters all data with a Butterworth low-pass. Here the filter is causal, since it must run on a robot: q, qd and tau
pass through the same filter, so they keep their phase to one another. One implementation serves a whole recording and
a single live sample, with the same bits: `SignalChain.step` is `SignalChain.run` on one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import butter, sosfilt_zi

from .errors import ConfigError
from .samples import Array, Episode

LOWEST = 0.1  # cut-off [Hz]; below it rounding errors grow, and no motion is left


@dataclass(frozen=True)
class FilterConfig:
    """Low-pass of every signal.

    Attributes:
        kind: butterworth or none.
        order: order of the low-pass, 1 to 8.
        cutoff_hz: -3 dB frequency [Hz], below half the sample rate. A lower one gives smoother and later signals.
    """

    kind: str = "butterworth"
    order: int = 2
    cutoff_hz: float = 10.0

    def __post_init__(self) -> None:
        if self.kind not in ("butterworth", "none"):
            raise ConfigError(
                f"filter.kind is {self.kind!r}: use 'butterworth' or 'none'", field="filter.kind", value=self.kind
            )
        if not 1 <= self.order <= 8:
            raise ConfigError(
                f"filter.order is {self.order}: use 1 to 8", field="filter.order", value=self.order, lower=1, upper=8
            )
        if not self.cutoff_hz >= LOWEST:
            raise ConfigError(
                f"filter.cutoff_hz is {self.cutoff_hz}: use {LOWEST:g} Hz or more",
                field="filter.cutoff_hz",
                value=self.cutoff_hz,
                lower=LOWEST,
            )


class CausalFilter:
    """Butterworth low-pass as second-order sections with explicit state, started in steady state.

    The first sample after construction or `reset` counts as constant before, so that there is no transient from
    zero.

    Attributes:
        sections: b0, b1, b2, a1, a2 of each section, shape (S, 5); none of them where nothing is filtered.
        steady: state of each section for an input that is constantly 1, shape (S, 2).
    """

    def __init__(self, config: FilterConfig, rate: float):
        """Design the filter for samples at `rate` [Hz].

        Raises:
            ConfigError: the cut-off does not lie below half the rate.
        """
        from .signal_kernels import low_pass

        self._low_pass = low_pass
        self.sections, self.steady = np.empty((0, 5)), np.empty((0, 2))
        if config.kind == "butterworth":
            if config.cutoff_hz >= rate / 2:
                raise ConfigError(
                    f"filter.cutoff_hz is {config.cutoff_hz:g} but samples come at {rate:g} Hz: "
                    f"use a cut-off below {rate / 2:g} Hz or kind: none",
                    field="filter.cutoff_hz",
                    value=config.cutoff_hz,
                    upper=rate / 2,
                )
            sos = butter(config.order, config.cutoff_hz, fs=rate, output="sos")
            self.sections, self.steady = np.delete(sos, 3, axis=1), sosfilt_zi(sos)  # a0 is 1
        self.reset()

    def reset(self) -> None:
        """Forget the past; the next sample starts the filter in steady state."""
        self._state: Array | None = None
        self._begun = np.zeros(1, dtype=bool)

    def run(self, x: Array) -> Array:
        """Filter N samples of C channels, shape (N, C), going on from the current state."""
        y = np.array(x, dtype=np.float64, order="C")
        if self._state is None:
            self._state = np.empty((len(self.sections), 2, y.shape[1]))
        self._low_pass(y, self.sections, self.steady, self._state, self._begun)
        return y


class PhysicsTorque(Protocol):
    """Contact-free torque by physics, with explicit state."""

    def reset(self) -> None:
        """Return to the state before the first sample."""

    def run(self, motion: Array, tau: Array) -> Array:
        """Torque, shape (N, J), going on from the current state.

        Args:
            motion: filtered `[q, qd, qdd]`, shape (N, 3 J) [rad, rad/s, rad/s²].
            tau: filtered measured torque, shape (N, J); NaN where there is none.
        """


class SignalChain:
    """Raw samples in, network features and filtered torque out, with explicit state.

    Features are `[q, qd]`, or `[q, qd, qdd]` with `acceleration`, where qdd is the backward difference of the filtered
    qd times the sample rate; physics, which needs qdd, adds its torque to them.
    """

    def __init__(
        self, rate: float, config: FilterConfig, acceleration: bool = False, physics: PhysicsTorque | None = None
    ):
        from .signal_kernels import signals

        self._signals = signals
        self._rate = float(rate)
        self._acceleration = acceleration
        self._physics = physics
        self._parts = (4 if physics else 3) if acceleration else 2  # C / J
        design = CausalFilter(config, rate)
        self._sections, self._steady = design.sections, design.steady
        self.reset()

    def reset(self) -> None:
        """Forget the past, as a fresh chain."""
        self._begun = np.zeros(2, dtype=bool)
        self._last_qd = np.empty(0)
        if self._physics:
            self._physics.reset()

    def run(self, q: Array, qd: Array, tau: Array) -> tuple[Array, Array]:
        """Filter N samples, going on from the current state.

        Args:
            q: shape (N, J) [rad].
            qd: shape (N, J) [rad/s].
            tau: shape (N, J) [N·m or A]; NaN of a joint makes the row NaN, and restarts the torque filter.

        Returns:
            features (N, C) with C = 2J, 3J, or 4J with physics, and filtered tau (N, J).
        """
        samples, joints = q.shape
        raw = np.empty((samples, 3 * joints))
        np.concatenate((q, qd, tau), axis=1, out=raw)
        if not self._begun[0]:
            self._last_qd = np.empty(joints)
            self._state = np.empty((len(self._sections), 2, 3 * joints))
        x, tau_filtered = np.empty((samples, self._parts * joints)), np.empty((samples, joints))
        self._signals(
            raw,
            self._sections,
            self._steady,
            self._state,
            self._begun,
            self._last_qd,
            self._rate,
            self._acceleration,
            x,
            tau_filtered,
        )
        if self._physics:
            x[:, 3 * joints :] = self._physics.run(x[:, : 3 * joints], tau_filtered)
        return x, tau_filtered

    def run_afresh(self, episode: Episode) -> tuple[Array, Array]:
        """Features (N, C) and filtered torque (N, J) of an episode, from a fresh state; see `run`."""
        self.reset()
        return self.run(episode.q, episode.qd, episode.tau)

    def step(self, q: Array, qd: Array, tau: Array) -> tuple[Array, Array]:
        """One sample, each argument of shape (J,): the same bits as `run` over a recording."""
        x, tau_filtered = self.run(q[None], qd[None], tau[None])
        return x[0], tau_filtered[0]


def windows(x: Array, length: int) -> Array:
    """All windows of `length` consecutive rows, newest last.

    Args:
        x: shape (N, C), N at least `length`.
        length: samples T the network sees.

    Returns:
        A read-only view of shape (N - T + 1, T, C); window i ends with row i + T - 1.
    """
    return sliding_window_view(x, length, axis=0).transpose(0, 2, 1)
