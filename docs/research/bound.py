# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What physics leaves of the torque, and how much another model could take off: noise, history or changed state.

    python docs/research/bound.py DATASET...

Physics is identified without each recording in turn (extended friction, adaptive within 20 s). What it leaves of the
recording that it does not know is compared with what it leaves of the others, which it knows. Each row of the table is
an error by joint, over the variance of the torque that was trained on, like nmse, averaged over recordings:

- `physics`: what is left of the recording that was left out. The row below it is of the recordings that are known.
- `own level`: after a fit of viscous and Coulomb friction and an offset to the recording itself. No estimator can do
  this; it shows how much is a changed level of friction.
- `slow`, `middle`, `fast`: the part of `physics` below 0.2 Hz, up to 2 Hz and above. White noise is fast, a changed
  state is slow.
- `same`, `other`: half of the mean squared difference between what is left of a sample and of its nearest neighbour
  by position, velocity and acceleration of the arm, at least 1 s away in the same recording, or in another one (Gamma
  test, Stefansson et al. 1997). It is what a function of these would leave, estimated from above, since neighbours
  are not equal. Where `same` is much smaller than `other`, the state of the arm has changed between recordings.
- `from joints`: after a regression on what is left of the *other* joints at the same sample.
- `from torque`, `from motion`: after a regression on the measured torque of all joints 0.1 to 2 s before, and on
  velocity, its sign and its acceleration of the joint itself 0 to 2 s before. Regressions have a penalty that is chosen
  by leaving out each recording that is known, with "no regression" among the choices.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from scipy.signal import butter, sosfiltfilt
from scipy.spatial import cKDTree

from vastares_ros.core.samples import Array
from vastares_ros.core.signals import FilterConfig, SignalChain
from vastares_ros.io.datasets import Dataset, dataset_arm, load_dataset
from vastares_ros.training.dynamics import identify_dynamics
from vastares_ros.training.filtered import filtered

BANDS = (0.2, 2.0)  # between slow, middle and fast [Hz]
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, np.inf)  # of a regression on standardised inputs, over the number of samples
NEIGHBOURS = 4000  # samples whose neighbours are looked for
DELAYS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)  # [s]
OLD = 0.1  # torque is seen only so long ago: a push of less than that is not in it [s]


class Left:
    """A recording and what physics leaves of it, N samples of J joints.

    Attributes:
        q: filtered positions, shape (N, J) [rad].
        qd: filtered velocities, shape (N, J) [rad/s].
        qdd: accelerations, shape (N, J) [rad/s²].
        tau: filtered torque, shape (N, J) [N·m].
        left: what physics leaves, shape (N, J) [N·m].
    """

    def __init__(self, x: Array, tau: Array):
        self.q, self.qd, self.qdd, known = np.split(x, 4, axis=1)
        self.tau, self.left = tau, tau - known


def main() -> None:
    """Print a table for each dataset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", nargs="+", help="folders of `vastares prepare`, of robots with a URDF")
    for folder in parser.parse_args().dataset:
        data = load_dataset(folder)
        table = {row: np.mean(of, axis=0) for row, of in bounds(data).items()}
        print(f"\n| {data.robot} | {' | '.join(data.joints)} | mean |\n|---" + "|---" * (len(data.joints) + 1) + "|")
        for row, nmse in table.items():
            print(f"| {row} | {' | '.join(f'{x:.4f}' for x in nmse)} | {nmse.mean():.4f} |", flush=True)


def bounds(data: Dataset) -> dict[str, list[Array]]:
    """Row of the table -> for each recording that was left out, errors by joint, shape (J,)."""
    rows: dict[str, list[Array]] = {}
    for held in data.episodes:
        rest = [e for e in data.episodes if e.recording != held.recording]
        dynamics, _ = identify_dynamics(data, rest, dataset_arm(data), "extended", FilterConfig(), 20.0)
        chain = SignalChain(data.rate, FilterConfig(), acceleration=True, physics=dynamics.torque(data.rate))
        test, *known = (Left(*filtered(chain, [e])) for e in (held, *rest))
        scale = np.concatenate([r.tau for r in known]).var(axis=0)
        found = {
            "physics": _error(test.left),
            "physics, of known recordings": _error(np.concatenate([r.left for r in known])),
            "own level": _error(own_level(test)),
            **dict(zip(("slow", "middle", "fast"), bands(test.left, data.rate), strict=True)),
            "same": neighbours(test, [test], data.rate),
            "other": neighbours(test, known, data.rate),
            "from joints": _regressed(test, known, lambda r, j: np.delete(r.left, j, axis=1)),
            "from torque": _regressed(
                test, known, lambda r, j: _delayed(r.tau, [s for s in DELAYS if s >= OLD], data.rate)
            ),
            "from motion": _regressed(test, known, lambda r, j: _delayed(_motion(r, j), DELAYS, data.rate)),
        }
        for row, error in found.items():
            rows.setdefault(row, []).append(error / scale)
    return rows


def own_level(r: Left) -> Array:
    """What is left, shape (N, J), after a fit of friction to the recording itself."""
    out = np.empty_like(r.left)
    for j, left in enumerate(r.left.T):
        terms = np.stack([np.ones(len(left)), r.qd[:, j], np.tanh(r.qd[:, j] / 0.05)], axis=1)
        out[:, j] = left - terms @ np.linalg.lstsq(terms, left, rcond=None)[0]
    return out


def bands(left: Array, rate: float) -> list[Array]:
    """Mean square of what is left, shape (N, J), in each band: shape (J,)."""
    below = [sosfiltfilt(butter(2, f, fs=rate, output="sos"), left, axis=0) for f in BANDS]
    parts = [below[0], below[1] - below[0], left - below[1]]
    power = np.array([_error(part) for part in parts])
    return list(power * _error(left) / power.sum(axis=0))  # bands overlap a little


def neighbours(test: Left, known: list[Left], rate: float) -> Array:
    """Half of the mean squared difference to the nearest neighbour among `known`, shape (J,)."""
    states = [np.concatenate([r.q, r.qd, r.qdd], axis=1) for r in (test, *known)]
    scale = np.concatenate(states[1:]).std(axis=0)
    tree, left = cKDTree(np.concatenate(states[1:]) / scale), np.concatenate([r.left for r in known])
    every = max(1, len(test.left) // NEIGHBOURS)
    at = np.arange(0, len(test.left), every)
    if known[0] is not test:
        nearest = tree.query(states[0][at] / scale)[1]
        return 0.5 * _error(left[nearest] - test.left[at])
    gap = round(rate)  # neighbours in time are no repetition
    squares = []
    for i in at:
        for count in (8, 64, 512, 4 * gap):
            _, near = tree.query(states[0][i] / scale, k=min(count, len(left)))
            if len(far := near[np.abs(near - i) > gap]):
                squares.append(np.square(left[far[0]] - left[i]))
                break
    return np.asarray(0.5 * np.mean(squares, axis=0))


def _regressed(test: Left, known: list[Left], inputs: Callable[[Left, int], Array]) -> Array:
    """What a regression on `inputs` of a recording and joint leaves, shape (J,)."""
    errors = []
    for j in range(test.left.shape[1]):
        seen, new = [_with_one(inputs(r, j)) for r in known], _with_one(inputs(test, j))
        scale = np.maximum(np.concatenate(seen).std(axis=0), 1e-9)
        scale[-1] = 1.0
        seen, new = [x / scale for x in seen], new / scale
        squares = [x.T @ x for x in seen]
        products = [x.T @ r.left[:, j] for x, r in zip(seen, known, strict=True)]
        samples = sum(len(x) for x in seen)
        one = np.eye(len(scale))
        scores = []
        for penalty in PENALTIES[:-1]:
            score = 0.0
            for k, (x, r) in enumerate(zip(seen, known, strict=True)):
                w = np.linalg.solve(sum(squares) - squares[k] + penalty * samples * one, sum(products) - products[k])
                score += np.square(r.left[:, j] - x @ w).sum()
            scores.append(score)
        scores.append(sum(np.square(r.left[:, j]).sum() for r in known))
        best = PENALTIES[int(np.argmin(scores))]
        w = 0 * scale if np.isinf(best) else np.linalg.solve(sum(squares) + best * samples * one, sum(products))
        errors.append(np.square(test.left[:, j] - new @ w).mean())
    return np.array(errors)


def _motion(r: Left, j: int) -> Array:
    return np.stack([r.qd[:, j], np.tanh(r.qd[:, j] / 0.05), r.qdd[:, j]], axis=1)


def _delayed(x: Array, delays: list[float] | tuple[float, ...], rate: float) -> Array:
    rows = np.arange(len(x))
    return np.concatenate([x[np.maximum(rows - round(s * rate), 0)] for s in delays], axis=1)


def _with_one(x: Array) -> Array:
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)


def _error(left: Array) -> Array:
    return np.asarray(np.square(left).mean(axis=0))


if __name__ == "__main__":
    main()
