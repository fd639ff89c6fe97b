# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Rules for the gate of a hybrid side by side, each recording left out in turn.

    python docs/research/gates.py DATASET...

The network is a kernel regression on what physics leaves (extended friction, adaptive within 20 s), which is solved at
once: of position, the sign of velocity and its low-pass at 0.2 s, and acceleration; M samples are its points. For each
recording that is tested, each other one is left out as well, of identification and regression, and judges the gate.
Each row has nmse averaged over joints, by the recording that was tested, over that of physics.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np
from scipy.signal import lfilter

from vastares_ros.core.samples import Array, Episode
from vastares_ros.core.signals import FilterConfig, SignalChain
from vastares_ros.io.datasets import Dataset, dataset_arm, load_dataset
from vastares_ros.training.dynamics import identify_dynamics
from vastares_ros.training.filtered import filtered
from vastares_ros.training.hybrid import gate_of

POINTS = 500  # M
SAMPLES = 7000  # of the training recordings, at most about twice as many
PENALTY = 3e-4  # of the regression, over the number of samples
WEIGHTS = (0.5, 0.2, 0.2, 0.2)  # of the inputs, standardised: one over the length of the kernel


def least(e: Array, b: Array, c: Array) -> Array:
    """The least of the best shares, from 0 to 1."""
    return np.asarray(np.clip((b / c).min(axis=0), 0, 1))


def pooled(e: Array, b: Array, c: Array) -> Array:
    """The best share for the mean over recordings of the error relative to that of physics."""
    return np.asarray(np.clip((b / e).sum(axis=0) / (c / e).sum(axis=0), 0, 1))


def harmless(e: Array, b: Array, c: Array) -> Array:
    """The same, but so that no recording that judges is worse by more than 2 %."""
    most = (b + np.sqrt(b * b + 0.02 * c * e)) / c
    return np.asarray(np.minimum(pooled(e, b, c), np.clip(most.min(axis=0), 0, 1)))


RULES: dict[str, Callable[[Array, Array, Array], Array]] = {
    "half of the least share": lambda e, b, c: 0.5 * least(e, b, c),
    "as `vastares train`": gate_of,
    "1 - 2 / (K + 1) of the least share": lambda e, b, c: (1 - 2 / (len(e) + 1)) * least(e, b, c),
    "least share": least,
    "harmless to those that judge": harmless,
    "pooled share": pooled,
    "all": lambda e, b, c: np.ones(e.shape[1]),
}
"""Gates (J,) from moments (K, J) of K recordings: what is left squared, times the part of the network, that squared."""


def main() -> None:
    """Print a table for each dataset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", nargs="+", help="folders of `vastares prepare`, of robots with a URDF")
    for folder in parser.parse_args().dataset:
        data = load_dataset(folder)
        errors: dict[str, list[float]] = {row: [] for row in RULES}
        physics = []
        for tested in data.episodes:
            rest = [e for e in data.episodes if e is not tested]
            judges = np.array([moments(data, [e for e in rest if e is not judge], judge) for judge in rest])
            e, b, c = moments(data, rest, tested)
            physics.append(e.mean())
            for row, rule in RULES.items():
                g = rule(*judges.transpose(1, 0, 2))
                errors[row].append(float((e - 2 * g * b + g * g * c).mean()))
        names = " | ".join(e.recording for e in data.episodes)
        print(f"\n| {data.robot} | {names} | mean |\n|---" + "|---" * (len(physics) + 1) + "|")
        print(f"| physics: nmse | {' | '.join(f'{x:.4f}' for x in physics)} | {np.mean(physics):.4f} |")
        for row, of in errors.items():
            ratios = np.array(of) / physics
            print(f"| {row} | {' | '.join(f'{x:.3f}' for x in ratios)} | {np.mean(of) / np.mean(physics):.3f} |")


def moments(data: Dataset, known: Sequence[Episode], new: Episode) -> Array:
    """Moments of a recording that is new to physics and regression, over the variance of the torque: shape (3, J)."""
    dynamics, _ = identify_dynamics(data, known, dataset_arm(data), "extended", FilterConfig(), 20.0)
    chain = SignalChain(data.rate, FilterConfig(), acceleration=True, physics=dynamics.torque(data.rate))
    every = max(1, sum(len(e) for e in known) // SAMPLES)
    seen, left, torque = (
        np.concatenate(part) for part in zip(*(_taken(chain, e, data.rate, every) for e in known), strict=True)
    )
    groups = np.split(seen, len(WEIGHTS), axis=1)
    scale = np.concatenate([np.maximum(g.std(axis=0), 1e-9) / w for g, w in zip(groups, WEIGHTS, strict=True)])
    points = np.random.default_rng(0).choice(seen, min(POINTS, len(seen)), replace=False) / scale
    values, vectors = np.linalg.eigh(_kernel(points, points))
    kept = values > 1e-8 * values[-1]
    root = vectors[:, kept] / np.sqrt(values[kept])
    inputs = _kernel(seen / scale, points) @ root
    weights = np.linalg.solve(inputs.T @ inputs + PENALTY * len(seen) * np.eye(len(root.T)), inputs.T @ left)
    new_inputs, new_left, _ = _taken(chain, new, data.rate, 1)
    learnt = _kernel(new_inputs / scale, points) @ root @ weights
    found = [new_left * new_left, learnt * new_left, np.maximum(learnt * learnt, 1e-30)]
    return np.asarray(np.array([part.mean(axis=0) for part in found]) / torque.var(axis=0))


def _taken(chain: SignalChain, episode: Episode, rate: float, every: int) -> tuple[Array, Array, Array]:
    """Inputs (N, 4 J), what physics leaves (N, J) and torque (N, J) of every so many samples of an episode."""
    x, tau = filtered(chain, [episode])
    q, qd, qdd, known = np.split(x, 4, axis=1)
    step = 1 / rate
    share = step / (0.2 + step)
    slow, _ = lfilter([share], [1, share - 1], qd, axis=0, zi=(1 - share) * qd[:1])
    inputs = np.concatenate([q, np.tanh(qd / 0.05), qdd, slow], axis=1)
    return inputs[::every], (tau - known)[::every], tau[::every]


def _kernel(x: Array, z: Array) -> Array:
    """Gaussian of the distance between x (N, C) and z (M, C), shape (N, M)."""
    squares = (x * x).sum(axis=1)[:, None] + (z * z).sum(axis=1) - 2 * x @ z.T
    return np.asarray(np.exp(-0.5 * np.maximum(squares, 0)))


if __name__ == "__main__":
    main()
