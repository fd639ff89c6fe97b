# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What several verbs do with a bundle: read a recording for it, and find what gives its wrench."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vastares_ros.cli.console import console
from vastares_ros.core.errors import DatasetError, RobotError
from vastares_ros.core.robot import Effort
from vastares_ros.core.samples import Episode
from vastares_ros.core.sampling import same_rate
from vastares_ros.core.scratch import picked
from vastares_ros.io.bags import read_recording
from vastares_ros.io.datasets import is_dataset, load_dataset
from vastares_ros.io.robots import bundle_arm
from vastares_ros.physics.wrench import WrenchEstimator
from vastares_ros.runtime.bundle import Bundle
from vastares_ros.runtime.pipeline import make_wrench_estimator


def read_source(source: Path, bundle: Bundle, topic: str | None) -> tuple[Episode, ...]:
    """The episodes of a bag or a dataset, in a bundle's joint order and unit; what a bag left out is printed.

    Args:
        source: path of the bag or the dataset.
        bundle: what they are for.
        topic: joint-state topic of the bag; the bundle's if None.

    Raises:
        BagError: see `read_recording`.
        DatasetError: joints, unit, scale or rate are not the bundle's.
    """
    if is_dataset(source):
        dataset = load_dataset(source)
        if absent := [joint for joint in bundle.joints if joint not in dataset.joints]:
            raise DatasetError(f"{source} has no joint {absent[0]!r}: it has {', '.join(dataset.joints)}")
        order = [dataset.joints.index(joint) for joint in bundle.joints]
        scale = tuple(dataset.effort.scale[i] for i in order)
        if replace(dataset.effort, scale=scale) != bundle.effort:
            raise DatasetError(
                f"{source} has torque in {dataset.effort.unit} with effort scale {_scales(dataset.effort)}, the bundle "
                f"in {bundle.effort.unit} with {_scales(bundle.effort)}: prepare it with the same robot, unit and scale"
            )
        rate = dataset.rate
        episodes = dataset.episodes
        if bundle.joints != dataset.joints:  # which copies
            episodes = tuple(
                replace(e, joints=bundle.joints, q=picked(e.q, order), qd=picked(e.qd, order), tau=picked(e.tau, order))
                for e in episodes
            )
    else:
        recording = read_recording(source, bundle.joints, bundle.effort.scale, topic or bundle.topic)
        for line in recording.lines():
            console.print(line)
        rate, episodes = recording.rate, recording.episodes
    if not same_rate(rate, bundle.rate):
        raise DatasetError(
            f"{source} has {rate:.1f} Hz, the bundle was trained at {bundle.rate:.1f} Hz: "
            f"make a dataset of it with `vastares prepare --rate {bundle.rate:g}` and give that"
        )
    return episodes


def usual_wrench(bundle: Bundle) -> WrenchEstimator | None:
    """What the node gives the wrench by where nobody gives it a URDF; None where there is none."""
    try:
        return make_wrench_estimator(bundle, bundle_arm(bundle))
    except RobotError:
        return None


def _scales(effort: Effort) -> str:
    return ", ".join(f"{s:g}" for s in dict.fromkeys(effort.scale))
