# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a tick costs before the network: processor time of the signal chain, alone and with each rigid-body model.

A UR3 in made-up motion at 125 Hz, sample by sample as in the node, on one core. Beside it, in turn in the same run, the
same by scipy's `sosfilt` and by NumPy, as it was before the loops were compiled; both call pinocchio alike. The least
of the rounds counts, since other work on the machine only ever adds. Printed as JSON, in microseconds a sample.
"""

import argparse
import json
import time
from typing import Protocol

import numpy as np
from machine import machine
from scipy.signal import butter, sosfilt, sosfilt_zi

from vastares_ros.core.arm import Arm
from vastares_ros.core.samples import Array
from vastares_ros.core.signals import FilterConfig, PhysicsTorque, SignalChain
from vastares_ros.io.robots import load_robot
from vastares_ros.physics.friction import (
    BASIC_TERMS,
    CLIP_SIGMAS,
    CONTACT_SIGMAS,
    FRICTION_MODELS,
    STRIBECK_SPEED,
    TERMS,
    TRAVELS,
    UPDATE_RATE,
)
from vastares_ros.physics.observer import MomentumObserver
from vastares_ros.physics.rigid_body import RigidBody, RigidBodyParameters, RigidBodyTorque

RATE = 125.0
GAIN = 20.0  # of the observer [rad/s]
MODELS = {"basic": ("basic", 0.0), "extended": ("extended", 0.0), "adaptive": ("extended", 20.0)}
"""Friction model, and time constant of its adaptation [s], by name."""


class Chain(Protocol):
    """A chain that is timed."""

    def step(self, q: Array, qd: Array, tau: Array) -> tuple[Array, Array]:
        """Features and filtered torque of one sample, each argument of shape (J,)."""


class OldFilter:
    """A low-pass by scipy."""

    def __init__(self, config: FilterConfig):
        self._sos = butter(config.order, config.cutoff_hz, fs=RATE, output="sos")
        self._steady = sosfilt_zi(self._sos)[:, :, None]
        self._state: Array | None = None

    def run(self, x: Array) -> Array:
        """Filter N samples of C channels, shape (N, C)."""
        if self._state is None:
            self._state = self._steady * x[0]
        y: Array
        y, self._state = sosfilt(self._sos, x, axis=0, zi=self._state)
        return y


class OldTerms:
    """Terms of friction by NumPy."""

    def __init__(self, terms: tuple[str, ...], smoothing: float):
        ends = np.cumsum([TERMS[term] for term in terms]).tolist()
        self._first = [(term, end - TERMS[term]) for term, end in zip(terms, ends, strict=True)]
        self._columns, self._smoothing = ends[-1], smoothing
        self._travels = -1 / (RATE * np.array(TRAVELS)[:, None, None])
        self._state: Array | None = None

    def run(self, qd: Array, load: Array) -> Array:
        """The terms of N samples, shape (K, N, J)."""
        s = np.tanh(qd / self._smoothing)
        out = np.empty((self._columns, *s.shape))
        for term, k in self._first:
            match term:
                case "viscous":
                    out[k] = qd
                case "coulomb":
                    out[k] = s
                case "offset":
                    out[k] = 1
                case "stribeck":
                    slow = np.multiply(qd, qd)
                    slow *= -(STRIBECK_SPEED**-2)
                    np.multiply(s, np.exp(slow, out=slow), out=out[k])
                case "load_dependent":
                    np.multiply(s, np.abs(load), out=out[k])
                case "cube_root":
                    np.cbrt(qd, out=out[k])
                case "presliding":
                    self._slide(s, qd, out[k:])
        return out

    def _slide(self, s: Array, qd: Array, out: Array) -> None:
        kept = np.exp(self._travels * np.abs(qd))
        state = s[0] if self._state is None else self._state
        for i in range(len(s)):
            state = s[i] + kept[:, i] * (state - s[i])
            out[:, i] = state
        self._state = state


class OldTorque:
    """The torque of a motion by NumPy, with coefficients that may adapt."""

    def __init__(self, body: RigidBody, parameters: RigidBodyParameters):
        body.set_inertial_parameters(parameters.links, parameters.rotor)
        self._body, self._gain, self._identified = body, parameters.gain, parameters.friction
        self._terms = OldTerms(parameters.terms, parameters.smoothing)
        self._coefficients = parameters.friction.copy()
        self._adapts = parameters.friction_time_constant > 0
        self._most, self._contact = CLIP_SIGMAS * parameters.noise, CONTACT_SIGMAS * parameters.noise
        self._every, self._samples = max(1, int(RATE / UPDATE_RATE)), 0
        self._share = self._every / (parameters.friction_time_constant * RATE) if self._adapts else 0.0

    def reset(self) -> None:
        """Nothing: it runs once."""

    def run(self, motion: Array, tau: Array) -> Array:
        """Torque of N samples, shape (N, J)."""
        joints = len(self._gain)
        q, qd, qdd = motion[:, :joints], motion[:, joints : 2 * joints], motion[:, 2 * joints :]
        torque = np.empty((len(motion), joints))
        for i in range(len(motion)):
            torque[i] = self._body.inverse_dynamics(q[i], qd[i], qdd[i])
        terms = self._terms.run(qd, torque)
        if not self._adapts:
            whole: Array = (torque + np.add.reduce(self._coefficients[:, None] * terms)) / self._gain
            return whole
        for i in range(len(motion)):
            torque[i] += np.add.reduce(self._coefficients * terms[:, i])
            self._samples += 1
            if self._samples % self._every == 0:
                self._adapt(terms[:BASIC_TERMS, i], tau[i] * self._gain - torque[i])
        return torque / self._gain

    def _adapt(self, terms: Array, error: Array) -> None:
        if (np.abs(error) < self._contact).all():
            identified = self._identified[:BASIC_TERMS]
            change = self._coefficients[:BASIC_TERMS] + self._share * self._within(error) * terms - identified
            self._coefficients[:BASIC_TERMS] = identified + self._within(change)

    def _within(self, x: Array) -> Array:
        return np.minimum(np.maximum(x, -self._most), self._most)


class OldObserver:
    """The momentum observer by NumPy."""

    def __init__(self, body: RigidBody, parameters: RigidBodyParameters):
        body.set_inertial_parameters(parameters.links, parameters.rotor)
        self._body, self._drive, self._dt = body, parameters.gain, 1 / RATE
        self._terms = OldTerms(parameters.terms, parameters.smoothing)
        self._coefficients = parameters.friction[:, None]
        self._gain = -np.expm1(-GAIN * self._dt) / self._dt
        self._expected: Array | None = None

    def reset(self) -> None:
        """Nothing: it runs once."""

    def run(self, motion: Array, tau: Array) -> Array:
        """The sum of torque and residual of N samples, shape (N, J)."""
        joints = len(self._drive)
        q, qd = motion[:, :joints], motion[:, joints : 2 * joints]
        p, drift, load = np.empty((3, len(motion), joints))
        for i in range(len(motion)):
            p[i], drift[i], load[i] = self._body.momentum(q[i], qd[i])
        friction = self._coefficients * self._terms.run(qd, load)
        if not np.isfinite(tau).all():
            self._expected = None
            return np.full_like(tau, np.nan)
        half = (tau * self._drive + drift - friction.sum(axis=0)) * (self._dt / 2)
        expected = p[0] - half[0] if self._expected is None else self._expected
        r = np.empty_like(p)
        for i in range(len(p)):
            expected = expected + half[i]
            r[i] = self._gain * (p[i] - expected)
            expected = expected + half[i] + self._dt * r[i]
        self._expected = expected
        return tau + r / self._drive


class OldChain:
    """The signal chain by scipy and NumPy."""

    def __init__(self, config: FilterConfig, physics: PhysicsTorque | None):
        self._motion, self._torque = OldFilter(config), OldFilter(config)
        self._physics = physics
        self._last_qd: Array | None = None

    def step(self, q: Array, qd: Array, tau: Array) -> tuple[Array, Array]:
        """One sample, each argument of shape (J,)."""
        motion = self._motion.run(np.concatenate([q[None], qd[None]], axis=1))
        joints = len(q)
        x = np.empty((1, (4 if self._physics else 3) * joints))
        x[:, : 2 * joints] = motion
        qd_filtered, qdd = motion[:, joints:], x[:, 2 * joints : 3 * joints]
        qdd[0] = qd_filtered[0] - (qd_filtered[0] if self._last_qd is None else self._last_qd)
        qdd *= RATE
        self._last_qd = qd_filtered[-1]
        assert np.isfinite(tau).all()
        tau_filtered = self._torque.run(tau[None])
        if self._physics:
            x[:, 3 * joints :] = self._physics.run(x[:, : 3 * joints], tau_filtered)
        return x[0], tau_filtered[0]


def parameters(body: RigidBody, friction_model: str, time_constant: float) -> RigidBodyParameters:
    """The URDF's inertias, and friction coefficients of 1, which adapt with a time constant [s] unless it is 0."""
    joints = len(body.joints)
    terms = FRICTION_MODELS[friction_model]
    friction = np.ones((sum(TERMS[term] for term in terms), joints))
    ones = np.ones(joints)
    return RigidBodyParameters(body.inertial_parameters, 0.1 * ones, friction, ones, terms, 0.05, ones, time_constant)


def chains() -> dict[str, tuple[Chain, Chain]]:
    """What is timed, by name, as it was and as it is: "chain" is filter and acceleration alone."""
    robot = load_robot("ur3")
    config = FilterConfig()

    def body() -> RigidBody:
        return RigidBody(Arm(robot.urdf, robot.urdf_joints, robot.tip))

    made: dict[str, tuple[Chain, Chain]]
    made = {"chain": (OldChain(config, None), SignalChain(RATE, config, acceleration=True))}
    for name, (friction_model, time_constant) in MODELS.items():
        found = parameters(body(), friction_model, time_constant)
        now = RigidBodyTorque(body(), found, RATE)
        made[name] = OldChain(config, OldTorque(body(), found)), SignalChain(RATE, config, True, now)
    found = parameters(body(), "extended", 0.0)
    observer = MomentumObserver(body(), found, RATE, GAIN)
    made["observer"] = OldChain(config, OldObserver(body(), found)), SignalChain(RATE, config, True, observer)
    return made


def main() -> None:
    """Time rounds of all in turn, and make sure that both ways give the same numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ticks", type=int, default=2000, help="of a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="how often (%(default)s)")
    args = parser.parse_args()
    t = np.arange(args.ticks)[:, None] / RATE
    frequency = np.linspace(0.5, 2.0, 6)
    q, qd = np.sin(frequency * t), frequency * np.cos(frequency * t)
    tau = 5 * np.sin(q)
    pairs = chains()
    best = {name: [float("inf")] * 2 for name in pairs}
    for _ in range(args.rounds):
        for name, pair in pairs.items():
            ends = []
            for k, chain in enumerate(pair):
                start = time.process_time()
                for i in range(args.ticks):
                    x, _ = chain.step(q[i], qd[i], tau[i])
                best[name][k] = min(best[name][k], (time.process_time() - start) / args.ticks * 1e6)
                ends.append(x)
            np.testing.assert_allclose(ends[0], ends[1], rtol=1e-9, atol=1e-9, err_msg=name)
    figures = {
        name: {"before_us": round(before, 1), "now_us": round(now, 1), "ratio": round(before / now, 1)}
        for name, (before, now) in best.items()
    }
    print(json.dumps({"machine": machine(), "ticks": args.ticks} | figures))


if __name__ == "__main__":
    main()
