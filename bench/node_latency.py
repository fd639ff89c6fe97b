# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Latency of the live estimator node, and where it goes: publish to estimate over DDS beside the node's own pass.

A node with an untrained network of the default size and six joints gets messages from this process, at 125 and at
500 Hz. `latency_ms` is from publishing a message to having its estimate here; `tick_ms` is what the node spends on it
(message, filter, network, messages out). Prints JSON.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vastares_ros.core.robot import Effort
from vastares_ros.core.signals import FilterConfig
from vastares_ros.io.bundles import save_bundle
from vastares_ros.io.playback import Playback
from vastares_ros.models.baselines import Ridge
from vastares_ros.models.networks import NetworkModel
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.nodes.estimator import EstimatorNode
from vastares_ros.nodes.parity_run import run_live
from vastares_ros.nodes.process import run
from vastares_ros.runtime.bundle import QUANTILES, Bundle, ResidualSource

JOINTS = tuple(f"joint_{i}" for i in range(1, 7))
RATES = (125.0, 500.0)
SECONDS = 8.0


class TimedNode(EstimatorNode):
    """The estimator node, with a clock around every message."""

    def on_joint_state(self, message: Any) -> None:
        """Answer one message, and note how long it took."""
        start = time.perf_counter()
        super().on_joint_state(message)
        TICKS.append(time.perf_counter() - start)


TICKS: list[float] = []


def bundle(rate: float) -> Bundle:
    """A network with random weights."""
    joints = len(JOINTS)
    torch.manual_seed(0)
    return Bundle(
        robot="none",
        joints=JOINTS,
        topic="/joint_states",
        effort=Effort("N·m", (1.0,) * joints),
        rate=rate,
        filter=FilterConfig(),
        method="va_sta_reslstm",
        model=NetworkModel(joints, NetworkConfig()).eval(),
        ridge=Ridge(np.zeros((1, joints)), np.zeros(joints)),
        q_range=np.array([[-1.0] * joints, [1.0] * joints]),
        qd_range=np.array([[-1.0] * joints, [1.0] * joints]),
        residual_quantiles=np.ones((len(QUANTILES), joints)),
        residual_source=ResidualSource("training", ("none",)),
        training={"split": {"training": ["none"]}},
        metrics={"of": "training", "nmse_mean": {"model": 1.0, "mean": 1.0, "ridge": 1.0}},
        dataset_sha256="",
    )


def spread(seconds: np.ndarray) -> dict[str, float]:
    """Median and 99th percentile [ms] of times [s]."""
    p50, p99 = np.percentile(seconds[np.isfinite(seconds)] * 1e3, (50, 99))
    return {"p50": round(p50, 3), "p99": round(p99, 3)}


def measure(rate: float, folder: Path) -> dict[str, object]:
    """One run at `rate` [Hz]."""
    path, ticks = folder / f"bundle_{rate:g}", folder / f"ticks_{rate:g}.json"
    save_bundle(path, bundle(rate))
    t = np.arange(int(SECONDS * rate)) / rate
    values = [np.sin(t[:, None] + np.arange(len(JOINTS))) * 0.5 for _ in range(3)]
    messages = [(int(at * 1e9) + 1, JOINTS, *(x[i] for x in values)) for i, at in enumerate(t)]
    expected = len(t) - NetworkConfig().window + 1
    command = [sys.executable, __file__, str(ticks)]
    live = run_live(path, JOINTS, Playback(messages, t), {"estimated_torque": expected}, command)
    spent = np.array(json.loads(ticks.read_text()))[NetworkConfig().window :]
    return {
        "lost": expected - int(np.isfinite(live.latency).sum()),
        "latency_ms": spread(live.latency),
        "tick_ms": spread(spent),
    }


def main() -> None:
    """Measure at every rate, print JSON."""
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({f"{rate:g}_hz": measure(rate, Path(folder)) for rate in RATES}))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    elif sys.argv[1] in ("-h", "--help"):
        print(__doc__)
    else:
        run(lambda context: TimedNode(context=context), sys.argv[2:])
        Path(sys.argv[1]).write_text(json.dumps(TICKS))
