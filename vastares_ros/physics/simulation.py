# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Forward simulation of an arm with friction, sensors and pushes, where the external torque is known.

The dynamics is the equation of the package, M qdd + V + G + F_r = tau + tau_ext, at 1 kHz or a little off, whole steps
a sample. A wrench F at the tip gives tau_ext = Jᵀ F. The controller knows the rigid body but not the friction and not
the pushes, so it compensates for both, and they appear in the measured torque as on a real arm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vastares_ros.core.arm import Arm
from vastares_ros.core.errors import RobotError
from vastares_ros.core.robot import Driver, Robot
from vastares_ros.core.samples import Array, Episode

from .payload import mounted
from .rigid_body import RigidBody

STEP_RATE = 1000.0  # [Hz]
STIFFNESS = 900.0  # of the position controller, per unit of inertia [1/s²]; damped critically
ROTOR = 0.005  # inertia of each motor behind its gear [kg·m² per N·m of torque limit]

SPAN = 0.4  # largest excursion from home [rad]
SPEED = 0.5  # largest speed, of each joint's limit
TONES = 5  # sine waves a joint
SLOWEST, FASTEST = 0.05, 0.4  # of them [Hz]
REST = 2.0  # time from rest to full motion, and back [s]

FORCE = (15.0, 40.0)  # of a push [N]
TORQUE = (1.0, 5.0)  # [N·m]
RISE = 0.15  # [s]
PLATEAU = (0.4, 0.8)  # [s]
GAP = (0.8, 1.8)  # without contact [s]


@dataclass(frozen=True)
class Friction:
    """Coulomb, Stribeck and viscous friction of every joint, smooth at standstill.

    The defaults are half of what a fit to recordings of a UR3 gives (8 % and 6 %); larger arms have less friction for
    their size.

    Attributes:
        coulomb: sliding friction [of the torque limit].
        stiction: what standstill adds to it [of the torque limit].
        viscous: friction that grows with speed [of the torque limit, per rad/s].
        stribeck_speed: speed at which stiction fades [rad/s].
        smoothing: speed over which friction changes sign [rad/s].
    """

    coulomb: float = 0.04
    stiction: float = 0.015
    viscous: float = 0.035
    stribeck_speed: float = 0.15
    smoothing: float = 0.03

    def torque(self, qd: Array, limit: Array) -> Array:
        """F_r at velocity qd, for joints of this torque limit; all shapes (J,)."""
        fading = np.exp(-((qd / self.stribeck_speed) ** 2))
        sliding = (self.coulomb + self.stiction * fading) * np.tanh(qd / self.smoothing)
        return limit * (sliding + self.viscous * qd)


@dataclass(frozen=True)
class Sensors:
    """What the driver makes of the truth. Zeros give the truth itself.

    Attributes:
        position_quantum: of the encoder [rad].
        velocity_noise: standard deviation [rad/s].
        torque_noise: standard deviation [of the torque limit].
        torque_quantum: [of the torque limit].
    """

    position_quantum: float = 2 * np.pi / 2**17
    velocity_noise: float = 0.003
    torque_noise: float = 0.003
    torque_quantum: float = 0.0005


@dataclass(frozen=True)
class Reference:
    """Where the controller shall be at each of S steps: q, qd, qdd of shape (S, J) [rad, rad/s, rad/s²]."""

    q: Array
    qd: Array
    qdd: Array


@dataclass(frozen=True)
class SimulatedRecording:
    """A simulated recording and the true values that no sensor measures.

    Attributes:
        episode: N measured samples, joints named as the robot's simulated driver names them.
        tau_ext: true external torque, shape (N, J) [N·m].
        wrench: true wrench at the tip in the axes of the base, shape (N, 6) [N, N·m].
    """

    episode: Episode
    tau_ext: Array
    wrench: Array


class SimulatedArm:
    """The arm of a robot description, simulated.

    Attributes:
        driver: how its samples are published.
        body: its rigid-body dynamics, motors included.
        dt: step [s].
        home: pose around which it moves, shape (J,) [rad].
    """

    def __init__(
        self,
        robot: Robot,
        friction: Friction | None = None,
        sensors: Sensors | None = None,
        payload: Array | None = None,
    ):
        """Simulate an arm.

        Args:
            robot: what it is.
            friction: of its joints; by default that of a common arm.
            sensors: what measures; likewise.
            payload: inertial parameters of a tool in the frame of the tip, shape (10,), see `physics.INERTIAL`.

        Raises:
            RobotError: the robot has no URDF, or no driver that publishes torque.
        """
        if not robot.urdf:
            raise RobotError(
                f"robot {robot.name} has no URDF, so it cannot be simulated: take ur5 or iiwa14", robot=robot.name
            )
        self.driver = _torque_driver(robot)
        arm = Arm(robot.urdf, robot.urdf_joints, robot.tip)
        self.body = RigidBody(arm, ROTOR * RigidBody(arm).effort)
        if payload is not None:
            carrying = mounted(self.body, self.body.inertial_parameters, payload)
            self.body.set_inertial_parameters(carrying, ROTOR * self.body.effort)
        self.home = _home(self.body)
        self._steps = max(1, round(STEP_RATE / robot.rate))  # a sample
        self.dt = 1.0 / (robot.rate * self._steps)
        self._friction = friction or Friction()
        self._sensors = sensors or Sensors()

    def free_motion(
        self,
        seconds: float,
        rng: np.random.Generator,
        name: str = "free",
        progress: Callable[[float], None] | None = None,
    ) -> SimulatedRecording:
        """Record a random motion without contact; same generator state, same recording.

        Args:
            seconds: how long.
            rng: source of motion and noise.
            name: of the episode.
            progress: called with the simulated time [s] at intervals.
        """
        reference = self.random_motion(seconds, rng)
        return self.follow(reference, np.zeros((len(reference.q), 6)), rng, name, progress)

    def pushes(
        self,
        seconds: float,
        rng: np.random.Generator,
        name: str = "pushes",
        progress: Callable[[float], None] | None = None,
    ) -> SimulatedRecording:
        """Record a random motion during which the tool is pushed again and again; arguments as of `free_motion`."""
        reference = self.random_motion(seconds, rng)
        return self.follow(reference, self.random_pushes(seconds, rng), rng, name, progress)

    def random_motion(self, seconds: float, rng: np.random.Generator) -> Reference:
        """Random sums of sines around home, from rest to rest, within `SPAN`, the limits and `SPEED`."""
        t = self._times(seconds)
        joints = len(self.home)
        omega = 2 * np.pi * rng.uniform(SLOWEST, FASTEST, (TONES, 1, joints))
        angle = omega * t[:, None] + rng.uniform(0, 2 * np.pi, (TONES, 1, joints))
        amplitude = rng.uniform(0.3, 1.0, (TONES, 1, joints)) / omega  # slow tones reach farther
        f = (amplitude * np.sin(angle)).sum(0)  # (S, J)
        df = (amplitude * omega * np.cos(angle)).sum(0)
        ddf = -(amplitude * omega**2 * np.sin(angle)).sum(0)

        s, ds, dds = (x[:, None] for x in _ease(t, seconds))
        q, qd, qdd = s * f, ds * f + s * df, dds * f + 2 * ds * df + s * ddf
        room = np.minimum(self.body.upper - self.home, self.home - self.body.lower)
        reach = np.minimum(SPAN * rng.uniform(0.7, 1.0, joints), 0.9 * room)
        scale = np.minimum(reach / np.abs(q).max(0), SPEED * self.body.velocity / np.abs(qd).max(0))
        return Reference(self.home + scale * q, scale * qd, scale * qdd)

    def random_pushes(self, seconds: float, rng: np.random.Generator) -> Array:
        """Wrench of smooth pushes in random directions with free time between, shape (S, 6) [N, N·m]."""
        t = self._times(seconds)
        wrench = np.zeros((len(t), 6))
        start = REST
        while True:
            plateau = rng.uniform(*PLATEAU)
            end = start + plateau + 2 * RISE
            if end > seconds - REST:
                return wrench
            push = np.concatenate([_direction(rng) * rng.uniform(*FORCE), _direction(rng) * rng.uniform(*TORQUE)])
            edge = np.clip(np.minimum(t - start, end - t) / RISE, 0, 1)
            wrench += (edge**2 * (3 - 2 * edge))[:, None] * push
            start = end + rng.uniform(*GAP)

    def _times(self, seconds: float) -> Array:
        return np.arange(round(seconds / self.dt), dtype=np.float64) * self.dt

    def follow(
        self,
        reference: Reference,
        wrench: Array,
        rng: np.random.Generator,
        name: str,
        progress: Callable[[float], None] | None = None,
    ) -> SimulatedRecording:
        """Let the controller follow a reference of S steps while a wrench, shape (S, 6), acts at the tip."""
        body, dt, limit = self.body, self.dt, self.body.effort
        samples = -(-len(reference.q) // self._steps)
        log = np.empty((samples, 4, len(limit)))  # q, qd, tau, tau_ext
        still = np.zeros(len(limit))
        pushed = np.any(wrench, axis=1)
        q, qd = reference.q[0].copy(), reference.qd[0].copy()
        for i in range(len(reference.q)):
            tau_ext = body.tip_jacobian(q).T @ wrench[i] if pushed[i] else still
            wanted = STIFFNESS * (reference.q[i] - q) + 2 * STIFFNESS**0.5 * (reference.qd[i] - qd) + reference.qdd[i]
            tau = np.minimum(np.maximum(body.inverse_dynamics(q, qd, wanted), -limit), limit)
            if i % self._steps == 0:
                log[i // self._steps] = q, qd, tau, tau_ext
                if progress and i % 1000 == 0:
                    progress(i * dt)
            qdd = body.forward_dynamics(q, qd, tau + tau_ext - self._friction.torque(qd, limit))
            qd = qd + dt * qdd
            q = q + dt * qd
        return self._measured(log, wrench[:: self._steps], rng, name)

    def _measured(self, log: Array, wrench: Array, rng: np.random.Generator, name: str) -> SimulatedRecording:
        q, qd, tau, tau_ext = log.transpose(1, 0, 2)
        sensors, limit = self._sensors, self.body.effort
        q = _quantised(q, sensors.position_quantum)
        qd = qd + sensors.velocity_noise * rng.standard_normal(qd.shape)
        tau = tau + sensors.torque_noise * limit * rng.standard_normal(tau.shape)
        tau = _quantised(tau, sensors.torque_quantum * limit)
        t = np.arange(len(log), dtype=np.float64) * (self.dt * self._steps)
        return SimulatedRecording(Episode(name, self.driver.joints, t, q, qd, tau), tau_ext.copy(), wrench.copy())


def _torque_driver(robot: Robot) -> Driver:
    """The driver named "simulation", or the usual one."""
    driver = next((d for d in robot.drivers if d.name == "simulation"), robot.drivers[0])
    if driver.effort.unit != "N·m" or driver.effort.gravity_compensated:
        raise RobotError(
            f"driver {driver.name!r} of robot {robot.name} does not publish plain torque, so it cannot be simulated: "
            "add a driver named 'simulation' with unit N·m, as ur5.yaml has",
            robot=robot.name,
        )
    return driver


def _home(body: RigidBody) -> Array:
    """The best conditioned of some hundred poses with the tip well above the base: forces there reach every joint."""
    rng = np.random.default_rng(0)
    reach = np.minimum(0.75 * np.pi, np.minimum(body.upper, -body.lower) - SPAN)
    poses = rng.uniform(-reach, reach, (500, len(reach)))
    height = np.array([body.tip_position(q)[2] for q in poses])
    strength = np.array([np.linalg.svd(body.tip_jacobian(q), compute_uv=False)[-1] for q in poses])
    best: Array = poses[np.argmax(np.where(height > np.median(height), strength, 0))]
    return best


def _ease(t: Array, seconds: float) -> tuple[Array, Array, Array]:
    """Factor that rises from 0 to 1 within `REST` and falls again at the end, with two derivatives, shape (S,) each."""
    rest = min(REST, seconds / 2)
    falling = t > seconds / 2
    x = np.clip(np.where(falling, seconds - t, t) / rest, 0, 1)
    sign = np.where(falling, -1.0, 1.0)
    s = x**3 * (10 + x * (6 * x - 15))
    ds = 30 * x**2 * (1 - x) ** 2 / rest * sign
    dds = 60 * x * (1 - x) * (1 - 2 * x) / rest**2
    return s, ds, dds


def _direction(rng: np.random.Generator) -> Array:
    v = rng.standard_normal(3)
    return v / np.linalg.norm(v)


def _quantised(x: Array, quantum: float | Array) -> Array:
    return np.round(x / quantum) * quantum if np.any(quantum) else x
