# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Train a method of your own beside the network of the package, and judge both on the same recording.

The method here looks up the nearest training samples and averages their torques. `register_method` makes it known by
name; then it is trained, judged, saved and loaded like every other one. A method that learns by gradient leaves out
`fit`; it must then compute several seeds in one pass, as vastares_ros/models/mlp.py does.

A bundle holds the name, the configuration and the tensors of its model, but no code. So the process that loads this
bundle must have registered the method before. The verbs of `vastares` do not know it; a node that does is three lines:

    import my_method  # calls register_method
    from vastares_ros.cli.main import main
    main(["estimator", "--ros-args", "-p", "bundle:=bundle"])
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from vastares_ros import (
    Inputs,
    TrainConfig,
    VastaresError,
    load_bundle,
    load_dataset,
    register_method,
    save_bundle,
    train,
)


@dataclass(frozen=True)
class NeighboursConfig(Inputs):
    """Configuration of the method. `Inputs` has the fields that all methods share.

    Attributes:
        window: samples that it sees; here the newest one alone.
        points: training samples that are kept, drawn at random.
        neighbours: samples that are averaged.
    """

    window: ClassVar[int] = 1
    points: int = 4000
    neighbours: int = 8


class Neighbours(nn.Module):
    """Mean torque of the nearest samples, weighted by the inverse of their distance.

    Inputs and torques are standardised. What a bundle must keep is a parameter or a buffer whose shape follows from
    the number of joints and the configuration alone.
    """

    points: Tensor
    torques: Tensor

    def __init__(self, joints: int, config: NeighboursConfig):
        super().__init__()
        self.config = config
        self.register_buffer("points", torch.zeros(config.points, config.features(joints)))
        self.register_buffer("torques", torch.zeros(config.points, joints))

    def fit(self, x: Tensor, tau: Tensor) -> None:
        """Learn from the newest samples x (N, C) and torques tau (N, J) of all windows."""
        drawn = torch.randint(len(x), (self.config.points,))
        self.points.copy_(x[drawn])
        self.torques.copy_(tau[drawn])

    def forward(self, x: Tensor) -> Tensor:
        """Torques (B, J) from windows x (B, T, C), newest last."""
        distances, nearest = torch.cdist(x[:, -1], self.points).topk(self.config.neighbours, largest=False)
        weights = 1 / (distances + 1e-6)
        return (weights[:, :, None] * self.torques[nearest]).sum(1) / weights.sum(1, keepdim=True)


register_method("neighbours", NeighboursConfig, Neighbours, label="Nearest neighbours")


def run(args: argparse.Namespace) -> None:
    """Train both, print the table, and save and load the bundle of the own method."""
    dataset = load_dataset(args.dataset)
    mine = train(dataset, TrainConfig(model="neighbours", network={"neighbours": args.neighbours}), test=[args.test])
    theirs = train(dataset, TrainConfig(epochs=args.epochs), test=[args.test])
    rows = {
        "neighbours": mine.metrics["nmse"]["model"],
        "network": theirs.metrics["nmse"]["model"],
        "ridge": theirs.metrics["nmse"]["ridge"],
    }
    width = max(map(len, dataset.joints))
    print(f"nmse on {args.test}\n{'':{width}}" + "".join(f"{name:>12}" for name in rows))
    for joint in dataset.joints:
        print(f"{joint:{width}}" + "".join(f"{row[joint]:12.4f}" for row in rows.values()))
    if args.output:
        save_bundle(args.output, mine)
        loaded = load_bundle(args.output)  # checks that it computes what it computed when it was saved
        print(f"{args.output}: a bundle of {loaded.method} for {loaded.robot}")


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and run; bad input ends it with status 2."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="folder of `vastares prepare`")
    parser.add_argument("--test", required=True, metavar="RECORDING", help="recording to judge on; it sets nothing")
    parser.add_argument("--neighbours", type=int, default=8, help="samples that are averaged (%(default)s)")
    parser.add_argument("--epochs", type=int, default=30, help="of the network of the package (%(default)s)")
    parser.add_argument("-o", "--output", help="folder for the bundle of the own method")
    try:
        run(parser.parse_args(argv))
    except (VastaresError, OSError) as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
