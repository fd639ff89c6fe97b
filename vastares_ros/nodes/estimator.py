"""The node `estimator`: joint states in, estimated and external torque out, under the stamps that came in.

Parameters: bundle (required), device, reliability, warn_period; config/estimator.yaml explains them.
Subscribes to joint_states; publishes ~/estimated_torque and ~/external_torque (sensor_msgs/JointState: name, effort).
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import SubscriptionEventCallbacks
from sensor_msgs.msg import JointState

from vastares_ros.core.errors import ConfigError, VastaresError
from vastares_ros.core.joints import JointAssembler
from vastares_ros.core.samples import JointSample, seconds
from vastares_ros.io.bundles import load_bundle
from vastares_ros.nodes.messages import from_joint_state, torque_message
from vastares_ros.nodes.process import STEADY, declare, reliable, run
from vastares_ros.nodes.watch import LOOK, Watch
from vastares_ros.runtime.bundle import Bundle
from vastares_ros.runtime.estimator import Estimator, Validity
from vastares_ros.training.train import device_for

DEPTH = 200  # messages that wait while the node is held up: 1.6 s at 125 Hz
RELIABILITIES = {"reliable": ReliabilityPolicy.RELIABLE, "best_effort": ReliabilityPolicy.BEST_EFFORT}
NEXT_STEP = {
    Validity.OUTSIDE_RANGE: "do not trust it, or record such motion and train again",
    Validity.NO_EFFORT: "no external torque without it: the driver must publish effort",
    Validity.GAP: "so the window starts anew: is the driver at the trained rate, and the computer not overloaded?",
    Validity.CLOCK_JUMPED: "so the window starts anew: do two publishers share the topic?",
    Validity.REPEATED: "so it is left out: does the driver fill header.stamp?",
    Validity.NO_MOTION: "so it is left out: the driver must publish position and velocity",
    Validity.WRONG_RATE: "set the driver to that rate, or record and train at this one",
}


class EstimatorNode(Node):
    """Message, sample, estimate, message."""

    def __init__(self, **options: Any):
        """Load the bundle and start.

        Args:
            options: of `rclpy.node.Node`.

        Raises:
            ConfigError: a parameter is missing or wrong.
            BundleError: the bundle cannot be used.
            DeviceError: the device is not there.
        """
        super().__init__("estimator", **options)
        bundle = declare(self, "bundle", "", "folder of the trained bundle, required")
        device = declare(self, "device", "auto", "auto, cpu, cuda or cuda:N; auto is CUDA where there is one")
        reliability = declare(self, "reliability", "reliable", "of the subscription: reliable or best_effort")
        period = declare(self, "warn_period", 5.0, "seconds between two warnings")
        if not bundle:
            raise ConfigError("parameter bundle is not set: add --ros-args -p bundle:=FOLDER, a trained bundle")
        if reliability not in RELIABILITIES:
            raise ConfigError(f"parameter reliability is {reliability!r}: use {' or '.join(RELIABILITIES)}")
        path = Path(bundle).expanduser()
        self._bundle = load_bundle(path)
        where = device_for(device)
        self._estimator = Estimator(self._bundle, where)
        self._assembler = JointAssembler(self._bundle.joints, self._bundle.effort.scale)
        _warm_up(self._estimator)
        gc.freeze()  # what is loaded stays: the collector need not look at it again at every pass
        self._log_bundle(path, str(where))

        self._estimated = self.create_publisher(JointState, "~/estimated_torque", reliable(DEPTH))
        self._external = self.create_publisher(JointState, "~/external_torque", reliable(DEPTH))
        self._subscription = self.create_subscription(
            JointState,
            "joint_states",
            self.on_joint_state,
            QoSProfile(depth=DEPTH, reliability=RELIABILITIES[reliability]),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible),
        )
        self._watch = Watch(self._subscription.topic_name, period)
        self.create_timer(LOOK, self._look, clock=STEADY)

    def on_joint_state(self, message: JointState) -> None:
        """Answer one message."""
        stamp_ns, names, *values = from_joint_state(message)
        self._watch.message(names)
        try:
            sample = self._assembler.push(seconds(stamp_ns), names, *values)
        except VastaresError as error:
            self._watch.problem(str(error))
            return
        if sample is None:
            return
        self._watch.sample()
        estimate = self._estimator.step(sample)
        if np.isfinite(estimate.tau_free).all():
            self._estimated.publish(torque_message(message.header, self._bundle.joints, estimate.tau_free))
            if np.isfinite(estimate.tau_ext).all():
                self._external.publish(torque_message(message.header, self._bundle.joints, estimate.tau_ext))
        if estimate.validity in NEXT_STEP:
            detail = f"{estimate.detail}, {NEXT_STEP[estimate.validity]}".removeprefix(", ")
            self._watch.problem(estimate.validity.value, detail)

    def _look(self) -> None:
        topic = self._subscription.topic_name
        if complaint := self._watch.look(self.count_publishers(topic), self._assembler.missing):
            self.get_logger().warning(complaint)

    def _on_incompatible(self, event: Any) -> None:
        self.get_logger().warning(
            f"a publisher of {self._subscription.topic_name} does not offer what is asked for "
            f"({event.last_policy_kind.name.rpartition('_')[2].lower()}): set parameter reliability to best_effort"
        )

    def _log_bundle(self, path: Path, device: str) -> None:
        b = self._bundle
        recordings = b.training["split"]["training"]
        window = b.model.config.window
        self.get_logger().info(
            f"loaded {path}: {b.robot}, {', '.join(b.joints)} at {b.rate:g} Hz, window of {window} samples, {device}, "
            f"torque in {b.effort.unit}, trained on {_few(recordings)}, {_score(b)}"
        )


def main(args: Sequence[str]) -> int:
    """Run the node until SIGINT or SIGTERM.

    Raises:
        VastaresError: an argument, a parameter or the bundle is of no use.
    """
    torch.set_num_threads(1)  # one window is too little work to share, and sharing it costs more
    return run(lambda context: EstimatorNode(context=context), args)


def _warm_up(estimator: Estimator) -> None:
    """Let the first estimate be as quick as all others: torch sets itself up in its first passes."""
    bundle = estimator.bundle
    q, qd = bundle.q_range.mean(axis=0), bundle.qd_range.mean(axis=0)
    for i in range(bundle.model.config.window + 10):
        estimator.step(JointSample(i / bundle.rate, q, qd, np.zeros(len(q))))
    estimator.reset()


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{len(names)} recordings"


def _score(bundle: Bundle) -> str:
    nmse = bundle.metrics["nmse_mean"]
    of = "held-out" if bundle.metrics["of"] != "training" else "no held-out recording, training"
    return f"{of} nmse {nmse['model']:.3f} (mean {nmse['mean']:.3f}, ridge {nmse['ridge']:.3f})"
