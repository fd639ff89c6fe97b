# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The Python interface: recordings, bundles, estimates, training and identification as functions.

Every name of it is exported by `vastares_ros`, for example `from vastares_ros import estimate, load_bundle, read_bag`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vastares_ros.core.errors import RobotError
from vastares_ros.core.robot import choose_driver
from vastares_ros.core.samples import Array, Episode
from vastares_ros.io.bags import Recording, read_joint_states, recording_from
from vastares_ros.io.datasets import Dataset, dataset_arm
from vastares_ros.io.formats import DEFAULT_TOPIC
from vastares_ros.io.robots import bundle_arm, load_robot, read_urdf
from vastares_ros.physics.wrench import WrenchEstimator
from vastares_ros.runtime.bundle import Bundle
from vastares_ros.runtime.device import device_for
from vastares_ros.runtime.pipeline import Pipeline, make_wrench_estimator
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.fit import fit
from vastares_ros.training.identify import IdentifyConfig, identify_bundle
from vastares_ros.training.loop import Progress

WRENCH = ("force_x", "force_y", "force_z", "torque_x", "torque_y", "torque_z")


@dataclass(frozen=True)
class Estimates:
    """What a bundle estimates for N samples of J joints.

    Attributes:
        joints: J joint names, the order of every column.
        t: stamps, shape (N,) [s].
        tau_free: torque that the motion needs without contact, shape (N, J) [N·m or A]; NaN where there is none.
        tau_ext: external torque, shape (N, J), positive where the environment pushes the robot.
        bound: what |tau_ext| stays below in 99 % of free motion, shape (J,).
        valid: whether to trust the estimate, shape (N,).
        wrench: force [N] then torque [N·m] that the environment applies to the tip, at the origin and in the axes of
            `wrench_frame`, shape (N, 6). Rows without external torque are NaN, and so are directions that the joints
            cannot feel. None where there is no wrench, see `estimate`.
        wrench_frame: link of the URDF; empty where there is no wrench.
    """

    joints: tuple[str, ...]
    t: Array
    tau_free: Array
    tau_ext: Array
    bound: Array
    valid: NDArray[np.bool_]
    wrench: Array | None = None
    wrench_frame: str = ""

    def to_table(self) -> pa.Table:
        """Columns t, valid, tau_free_<joint>, tau_ext_<joint> and, where there is a wrench, force_x to torque_z.

        With pandas, `.to_pandas()` makes a frame of it.
        """
        columns: dict[str, Any] = {"t": self.t, "valid": self.valid}
        for name, values in (("tau_free", self.tau_free), ("tau_ext", self.tau_ext)):
            columns |= {f"{name}_{joint}": values[:, j] for j, joint in enumerate(self.joints)}
        if self.wrench is not None:
            columns |= dict(zip(WRENCH, self.wrench.T, strict=True))
        return pa.table(columns)


def read_bag(
    path: str | Path,
    bundle: Bundle | None = None,
    robot: str | Path | None = None,
    topic: str | None = None,
    joints: Sequence[str] = (),
) -> Recording:
    """Read the joint states of a bag as continuous episodes.

    Args:
        path: .bag, .db3, .mcap or a rosbag2 folder.
        bundle: takes the joints, the meaning of effort and the topic of this bundle.
        robot: without a bundle, a name or YAML file of a robot, which says the same.
        topic: joint-state topic; by default the bundle's, or /joint_states.
        joints: without a bundle, joints to take, in order; by default the robot's, or all.

    Returns:
        The recording; its `episodes` hold arrays t [s], q [rad], qd [rad/s] and tau [N·m or A].

    Raises:
        BagError: the bag cannot be read, or lacks a joint.
        RobotError: the robot is unknown, or its joints are not published.
    """
    states = read_joint_states(path, topic or (bundle.topic if bundle else DEFAULT_TOPIC))
    if bundle:
        return recording_from(states, bundle.joints, bundle.effort.scale)
    published = tuple(dict.fromkeys(name for table in states.tables for name in table.names))
    driver = choose_driver(load_robot(robot) if robot else None, published, joints, "", ())
    return recording_from(states, driver.joints, driver.effort.scale)


def estimate(
    bundle: Bundle,
    recording: Recording | Episode | Sequence[Episode],
    urdf: str | Path | None = None,
    wrench_frame: str = "",
    engine: str = "auto",
) -> Estimates:
    """Estimate over a recording, sample by sample, with the bits of the live node.

    There is no wrench where the torque is in amperes, where neither the bundle nor the package has a URDF and none is
    given, and where pinocchio is not installed.

    Args:
        bundle: what estimates.
        recording: of `read_bag` with this bundle, or episodes in its joint order and unit.
        urdf: URDF file for the wrench; by default that of the bundle, or of its robot in the package.
        wrench_frame: link in whose axes and about whose origin the wrench is given; by default the tip.
        engine: what computes the network: auto, torch or compiled, as the parameter of the node.

    Raises:
        EngineError: the engine cannot run the bundle here.
        RobotError: there is no wrench, though `urdf` or `wrench_frame` is given.
    """
    if isinstance(recording, Recording):
        episodes: Sequence[Episode] = recording.episodes
    else:
        episodes = [recording] if isinstance(recording, Episode) else recording
    pipeline = Pipeline(bundle, wrench=_wrench_estimator(bundle, urdf, wrench_frame), engine=engine)
    t, free, external, valid, wrench = [], [], [], [], []
    for episode in episodes:
        pipeline.reset()
        for sample in episode:
            outputs = pipeline.step(sample, round(sample.t * 1e9))
            found = outputs.estimate
            t.append(sample.t)
            free.append(found.tau_free)
            external.append(found.tau_ext)
            valid.append(found.valid)
            wrench.append(outputs.wrench.values if outputs.wrench else np.full(6, np.nan))
    tau_free, tau_ext = (np.array(x, dtype=np.float64).reshape(-1, len(bundle.joints)) for x in (free, external))
    return Estimates(
        bundle.joints,
        np.array(t),
        tau_free,
        tau_ext,
        bundle.bound,
        np.array(valid, dtype=bool),
        np.array(wrench, dtype=np.float64).reshape(-1, 6) if pipeline.wrench else None,
        pipeline.wrench.frame_id if pipeline.wrench else "",
    )


def _wrench_estimator(bundle: Bundle, urdf: str | Path | None, frame: str) -> WrenchEstimator | None:
    """What gives the wrench; None where there is none and no argument asks for one."""
    try:
        return make_wrench_estimator(bundle, bundle_arm(bundle, read_urdf(urdf) if urdf else ""), frame)
    except RobotError:
        if urdf or frame:
            raise
        return None


def train(
    dataset: Dataset,
    config: TrainConfig | None = None,
    test: Sequence[str] = (),
    validation: Sequence[str] = (),
    device: str = "auto",
    progress: Callable[[Progress], None] = lambda progress: None,
) -> Bundle:
    """Train one network per joint, as `vastares train` does.

    Args:
        dataset: of `load_dataset`.
        config: everything else; by default that of config/train.yaml.
        test: recordings to judge on; they set nothing.
        validation: recordings that choose the best epoch and the bound.
        device: auto, cpu, cuda or cuda:N.
        progress: called after every epoch.

    Raises:
        ConfigError: training diverged.
        DatasetError: a recording is unknown, or nothing is left to train on.
    """
    return fit(dataset, config or TrainConfig(), device_for(device), test, validation, progress)


def identify(
    dataset: Dataset,
    config: IdentifyConfig | None = None,
    test: Sequence[str] = (),
    validation: Sequence[str] = (),
    urdf: str | Path | None = None,
    robot: str | Path | None = None,
) -> Bundle:
    """Identify rigid-body dynamics and friction, as `vastares identify` does.

    Args:
        dataset: of `load_dataset`.
        config: friction model, adaptive friction, observer; by default the extended friction model.
        test: recordings to judge on; they set nothing.
        validation: recordings for the bound.
        urdf: URDF file; by default that of the robot.
        robot: name or YAML file of a robot, for its URDF, its tip and what the URDF calls its joints; by default the
            dataset's robot in the package.

    Raises:
        RobotError: there is no URDF, or it does not fit.
        DatasetError: a recording is unknown, or nothing is left to identify from.
    """
    arm = dataset_arm(dataset, urdf, robot)
    return identify_bundle(dataset, arm, config or IdentifyConfig(), test, validation)[0]
