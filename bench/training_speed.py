"""Training speed: all joints in one batched pass against a loop of separate torch modules, side by side in one run.

Both train VA-STA-ResLSTM on the same random windows, with Adam. Prints JSON.
"""

import argparse
import json
import time

import torch
from torch import nn

from vastares_ros.models.va_sta_reslstm import NetworkConfig, VaStaResLSTM


def mlp(width: int, hidden_layers: int, activation: type[nn.Module]) -> nn.Sequential:
    """Input layer, hidden layers, output layer."""
    hidden = [layer for _ in range(hidden_layers + 1) for layer in (nn.Linear(width, width), activation())]
    return nn.Sequential(*hidden, nn.Linear(width, width))


class OneJoint(nn.Module):
    """The default network for one joint, of torch's own modules."""

    def __init__(self, joints: int, c: NetworkConfig):
        super().__init__()
        self.joints = joints
        self.spatial = mlp(2 * joints, c.hidden_layers, nn.Sigmoid)
        self.lstm = nn.LSTM(2 * joints, c.hidden, batch_first=True)
        self.residual = nn.Linear(2 * joints, c.hidden)
        self.norm = nn.BatchNorm1d(c.hidden)
        self.temporal = mlp(c.hidden, c.hidden_layers, nn.SELU)
        self.velocity = nn.Linear(joints, c.hidden)
        self.head = nn.Linear(2 * c.hidden, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Windows (B, T, C) -> torques (B,)."""
        rows = x * self.spatial(x).softmax(2)
        states = self.lstm(rows)[0] + self.residual(rows).sigmoid()
        states = self.norm(states.transpose(1, 2)).transpose(1, 2)
        weighted = self.temporal(states).softmax(2) * states
        va = self.velocity(x[:, -1, self.joints :]).softmax(1)
        return self.head(torch.cat([va * weighted[:, -1], (1 - va) * weighted.mean(1)], dim=1))[:, 0]


def main() -> None:
    """Time rounds of both in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--joints", type=int, default=6)
    parser.add_argument("--steps", type=int, default=10, help="optimiser steps a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    device, config = torch.device(args.device), NetworkConfig()
    torch.manual_seed(0)
    x = torch.randn(128, config.window, 2 * args.joints, device=device)
    tau = torch.randn(128, args.joints, device=device)
    batched = VaStaResLSTM(args.joints, config).to(device)
    loop = [OneJoint(args.joints, config).to(device) for _ in range(args.joints)]
    optimisers = {id(m): torch.optim.Adam(m.parameters()) for m in (batched, *loop)}

    def step(model: nn.Module, target: torch.Tensor) -> None:
        loss = (model(x) - target).square().mean()
        optimisers[id(model)].zero_grad()
        loss.backward()
        optimisers[id(model)].step()

    def seconds(loop_over: list[tuple[nn.Module, torch.Tensor]]) -> float:
        began = time.perf_counter()
        for _ in range(args.steps):
            for model, target in loop_over:
                step(model, target)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    ways = {"batched": [(batched, tau)], "loop": [(m, tau[:, j]) for j, m in enumerate(loop)]}
    for way in ways.values():
        seconds(way)  # warm up
    best = {name: min(seconds(way) for _ in range(args.rounds)) for name, way in ways.items()}
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    figures = {f"{name}_windows_per_s": round(128 * args.steps / taken, 1) for name, taken in best.items()}
    figures |= {"ratio": round(best["loop"] / best["batched"], 2), "device": where, "joints": args.joints}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
