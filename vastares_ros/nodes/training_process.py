# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Training as the training node does it: `vastares train` in a child process, followed, and its bundle handed on."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from std_msgs.msg import Float32

from vastares_ros.core.errors import ConfigError
from vastares_ros.io.bundles import read_index
from vastares_ros.nodes.bundle_request import BundleRequest
from vastares_ros.nodes.managed import STEADY, ManagedNode
from vastares_ros.nodes.process import VASTARES, end, reliable, spawn

NICE = ("nice", "-n", "10")  # training yields to recording, and to all else on a robot's computer
POLL = 0.2  # seconds between two looks at the child process


class TrainingProcess:
    """Started on construction; what it prints goes through a file, so that neither waits for the other.

    Attributes:
        bundle: the folder it will write.
        epoch: epochs that ended.
        epochs: epochs there are, 0 before the first ended.
        last_line: the last line that it printed; its error, if it failed.
    """

    def __init__(self, dataset: Path, bundle: Path, options: Sequence[str]):
        """Train on a dataset; `options` are of `vastares train`."""
        self.bundle = bundle
        self.epoch, self.epochs = 0, 0
        self.last_line = ""
        self._rest = ""
        self._log = tempfile.NamedTemporaryFile("r", prefix="vastares_train_", encoding="utf-8")  # noqa: SIM115
        command = [*NICE, *VASTARES, "train", str(dataset), "-o", str(bundle), "--json-progress", "--force", *options]
        with open(self._log.name, "w", encoding="utf-8") as log:
            self._child = spawn(command, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        """The number of the training process in the operating system."""
        return self._child.pid

    def poll(self) -> tuple[list[dict[str, Any]], int | None]:
        """Epochs that ended since the last call, and the exit status once it has one."""
        status = self._child.poll()  # before reading, so that nothing it printed is lost
        *lines, self._rest = (self._rest + self._log.read()).split("\n")
        self.last_line = next((line for line in reversed(lines) if line.strip()), self.last_line)
        ended = [json.loads(line) for line in lines if line.startswith("{")]
        if ended:
            self.epoch, self.epochs = ended[-1]["epoch"], ended[-1]["epochs"]
        return ended, status

    def end(self) -> None:
        """End it before it is done."""
        end(self._child)


class Trainer:
    """Trains one bundle at a time as the parameters of its node say, publishes how it goes, and hands the bundle on.

    Attributes:
        process: of the training that is on, if one is.
        failure: why the last training, or handing its bundle on, failed; empty if it did not.
    """

    def __init__(self, node: ManagedNode):
        """Publish as `node`, and read its parameters bundle, train_config, test, device and estimator when needed."""
        self.process: TrainingProcess | None = None
        self.failure = ""
        self._node = node
        self._name = node.get_fully_qualified_name()
        self._request: BundleRequest | None = None
        self._progress = node.create_publisher(Float32, "~/progress", reliable(10))
        self._loss = node.create_publisher(Float32, "~/loss", reliable(10))
        node.create_timer(POLL, self._follow, clock=STEADY)

    def start(self, dataset: Path) -> str:
        """Train on a dataset, and say so.

        Raises:
            ConfigError: a training is on, or the bundle has no name or exists.
        """
        if self.process:
            raise ConfigError(f"training of {self.process.bundle} is on: wait for {self._name}/progress 1")
        set_bundle = f"ros2 param set {self._name} bundle FOLDER"
        if not (bundle := self._node.parameter("bundle")):
            raise ConfigError(f"parameter bundle is not set: {set_bundle}", field="bundle")
        path = Path(bundle).expanduser().resolve()
        if path.exists():
            raise ConfigError(
                f"{path} exists and is not replaced: give parameter bundle another, {set_bundle}",
                field="bundle",
                path=path,
            )
        options = ["--device", self._node.parameter("device")]
        if config := self._node.parameter("train_config"):
            options += ["--config", str(Path(config).expanduser())]
        if test := self._node.parameter("test"):
            options += ["--test", *test]
        self._forget_request()
        self.failure = ""
        self.process = TrainingProcess(dataset, path, options)
        self._progress.publish(Float32(data=0.0))
        return f"training {path} on {dataset}: progress is on {self._name}/progress"

    def end(self) -> None:
        """End what is on before it is done."""
        self._forget_request()
        if self.process:
            self.process.end()
            self._node.get_logger().warning(f"training ended with the node: {self.process.bundle} is not written")
            self.process = None

    def _follow(self) -> None:
        if self._request and (answer := self._request.poll()):
            self._forget_request()
            taken, words = answer
            if taken:
                self._node.get_logger().info(words)
            else:
                self._fail(words)
        if self.process is None:
            return
        epochs, status = self.process.poll()
        for epoch in epochs:
            done, of = epoch["epoch"], epoch["epochs"]
            self._progress.publish(Float32(data=done / of))
            self._loss.publish(Float32(data=epoch["loss"]))
            if 10 * done // of > 10 * (done - 1) // of:
                self._node.get_logger().info(f"epoch {done} of {of}: loss {epoch['loss']:.4f}")
        if status is not None:
            process, self.process = self.process, None
            self._done(process, status)

    def _done(self, process: TrainingProcess, status: int) -> None:
        if status:
            self._progress.publish(Float32(data=math.nan))
            self._fail(f"training failed (status {status}): {process.last_line}")
            return
        self._progress.publish(Float32(data=1.0))
        metrics = read_index(process.bundle, whole=False)["metrics"]
        self._node.get_logger().info(
            f"trained {process.bundle}: nmse {metrics['nmse_mean']['model']:.3f} on {metrics['of']} recordings. "
            f"Next: ros2 run vastares_ros estimator --ros-args -p bundle:={process.bundle}"
        )
        if estimator := self._node.parameter("estimator"):
            self._request = BundleRequest(self._node, estimator, process.bundle)

    def _forget_request(self) -> None:
        if self._request:
            self._request.close()
            self._request = None

    def _fail(self, why: str) -> None:
        self.failure = why
        self._node.get_logger().error(why)
