# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Two processes that train together, started by torchrun, against one alone."""

import runpy
import subprocess
import sys

import pytest
import torch

from vastares_ros.training.seeds import SeedRun

pytestmark = [pytest.mark.process, pytest.mark.slow]

PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from vastares_ros.core.samples import Episode
from vastares_ros.models.mlp import MlpConfig
from vastares_ros.training import processes
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.loop import train_seeds
from vastares_ros.training.seeds import SeedRun

t = np.arange(600) / 100
q = np.stack([np.sin(t), np.cos(2 * t)], axis=1)
qd = np.gradient(q, 0.01, axis=0)
episodes = [Episode(n, ("a", "b"), t, k * q, k * qd, 5 * np.sin(k * q) + qd) for n, k in (("x", 1.0), ("y", 0.7))]
gradients = []
real = SeedRun.step


def step(self):
    gradients.append([p.grad.clone() for p in self.optimiser.param_groups[0]["params"]])
    real(self)


SeedRun.step = step
config = TrainConfig(model="mlp", network=MlpConfig(hidden=8), epochs=3, batch=33)  # odd: one part is larger
losses = []
with processes.joined_processes(torch.device("cpu")) as device:
    assert processes.count() == int(sys.argv[2])
    (model,) = train_seeds(episodes[:1], episodes[1:], 100.0, config, [4], device, lambda p: losses.append(p.loss))
    rank = 0 if processes.is_first() else 1
torch.save((gradients[0], gradients[-1], losses, model.state_dict()), Path(sys.argv[1], f"rank_{rank}"))
"""


def test_two_processes_take_the_steps_of_one(tmp_path, monkeypatch):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*torchrun, program, tmp_path, "2"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"rank_{rank}") for rank in range(2))
    monkeypatch.setattr(SeedRun, "step", SeedRun.step)  # the program replaces it
    monkeypatch.setattr(sys, "argv", ["program", str(tmp_path), "1"])
    runpy.run_path(str(program))
    alone = torch.load(tmp_path / "rank_0")
    for one in (first, second):
        torch.testing.assert_close(one[0], alone[0], rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(one[1], alone[1], rtol=1e-3, atol=1e-6)
        assert one[2] == pytest.approx(alone[2], rel=1e-5)
    for name, value in first[3].items():
        torch.testing.assert_close(value, alone[3][name], rtol=1e-4, atol=1e-5)
        assert torch.equal(value, second[3][name])
