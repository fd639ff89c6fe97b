# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Time and peak memory of a bag that is prepared, and of one epoch on its dataset: `--messages 20000000` for a big one.

Each step is a process of its own, so that its peak is its own: the largest resident set, pages of files included. An
epoch takes all windows. Files need some 600 bytes a message below `--folder`, and as much below TMPDIR or /var/tmp
while a step runs; they are removed at the end. Prints JSON.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from vastares_ros.cli.main import main as vastares
from vastares_ros.io.bags import DEFAULT_TOPIC, JOINT_STATE, MessageTable
from vastares_ros.io.bags.decode import ROS2, encode
from vastares_ros.io.datasets import load_dataset
from vastares_ros.models.mlp import MlpConfig
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.loop import train_seeds

RATE = 1000
JOINTS = tuple(f"arm_joint_{i}" for i in range(1, 8))
CHUNK = 100_000
LIBRARY = 200_000  # messages that rosbags deserialises for comparison


def write_bag(path: Path, messages: int) -> None:
    """A bag of an arm that moves smoothly, some noise on its torque."""
    rng = np.random.default_rng(0)
    speed = np.linspace(0.5, 2.0, len(JOINTS))
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(DEFAULT_TOPIC, JOINT_STATE, typestore=ROS2)
        for start in range(0, messages, CHUNK):
            place = np.arange(start, min(start + CHUNK, messages))
            stamp_ns = 1_700_000_000_000_000_000 + place * (1_000_000_000 // RATE)
            angle = speed * (place[:, None] / RATE) + rng.normal(0, 1e-6, (len(place), len(JOINTS)))
            q, qd = np.sin(angle), speed * np.cos(angle)
            tau = 10 * np.sin(q) + 3 * np.tanh(qd / 0.05) + rng.normal(0, 0.1, q.shape)
            table = MessageTable(JOINTS, stamp_ns, stamp_ns, q, qd, tau)
            for receive_ns, row in zip(stamp_ns.tolist(), encode(table), strict=True):
                writer.write(connection, receive_ns, row)


def deserialize(path: Path) -> float:
    """Messages a second by rosbags, on the first of them."""
    types = get_typestore(Stores.ROS2_HUMBLE)
    with Reader(path) as reader:
        began = time.perf_counter()
        for i, (connection, _, raw) in enumerate(reader.messages(), 1):
            types.deserialize_cdr(raw, connection.msgtype)
            if i == LIBRARY:
                break
        return i / (time.perf_counter() - began)


def prepare(folder: Path) -> None:
    """The verb `vastares prepare`."""
    status = vastares(["prepare", str(folder / "bag"), "-o", str(folder / "data"), "--effort-unit", "N·m"])
    assert status == 0


def epoch(folder: Path) -> None:
    """Load the dataset and train one epoch of all its windows."""
    torch.set_num_threads(1)  # as `vastares train` does
    dataset = load_dataset(folder / "data")
    windows = sum(len(e) for e in dataset.episodes)
    config = TrainConfig(
        model="mlp",
        network=MlpConfig(hidden=16, layers=1),
        epochs=1,
        epoch_windows=windows,
        batch=4096,
        learning_rate=0.001,
    )
    train_seeds(dataset.episodes, (), dataset.rate, config, [0], torch.device("cpu"), lambda p: print(p, flush=True))


STEPS: dict[str, Callable[[Path], None]] = {"prepare": prepare, "epoch": epoch}


def measured(name: str, folder: Path) -> dict[str, float]:
    """Run a step in a child process; its seconds and peak."""
    began = time.perf_counter()
    command = [sys.executable, __file__, "--step", name, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - began
    peak_kib = json.loads(done.stdout.splitlines()[-1])
    return {"seconds": round(seconds, 1), "peak_mb": round(peak_kib * 1024 / 1e6)}


def main() -> None:
    """Write the bag, run the steps in children, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, default=None, help="where files go; a temporary folder by default")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        STEPS[args.step](args.folder)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    folder = Path(tempfile.mkdtemp(prefix="big_data_", dir=args.folder))
    try:
        write_bag(folder / "bag", args.messages)
        figures: dict[str, Any] = {"messages": args.messages}
        figures["bag_mb"] = round(sum(f.stat().st_size for f in (folder / "bag").iterdir()) / 1e6)
        figures |= {name: measured(name, folder) for name in STEPS}
        figures["deserialize_messages_per_s"] = round(deserialize(folder / "bag"))
        figures["prepare_messages_per_s"] = round(args.messages / figures["prepare"]["seconds"])
        print(json.dumps(figures))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
