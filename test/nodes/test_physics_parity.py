# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A bundle of identified rigid-body dynamics in the live node."""

import json

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("pinocchio")

from vastares_ros.cli.main import main
from vastares_ros.core.signals import FilterConfig
from vastares_ros.io.bags import MessageTable, write_joint_states
from vastares_ros.io.bundles import save_bundle
from vastares_ros.io.datasets import dataset_arm
from vastares_ros.training.identify import IdentifyConfig, identify_bundle

CONFIGS = {
    "basic": IdentifyConfig(friction_model="basic"),
    "extended": IdentifyConfig(friction_model="extended"),
    "observer": IdentifyConfig("momentum_observer"),
    "observer without a filter": IdentifyConfig("momentum_observer", {"gain": 20.0}, live=FilterConfig("none")),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.ros
def test_identified_dynamics_run_in_the_node_with_the_bits_of_offline(config, arm_dataset, lively, tmp_path):
    bundle, _ = identify_bundle(arm_dataset, dataset_arm(arm_dataset), config)
    save_bundle(tmp_path / "bundle", bundle)
    e = lively("bag", 9, 400)
    at = np.round(e.t * 1e9).astype(np.int64)
    at[200:] += 500_000_000  # a gap: what friction remembers is forgotten on both sides
    write_joint_states(tmp_path / "bag", {"/joint_states": MessageTable(e.joints, at, at, e.q, e.qd, e.tau)})
    figures = tmp_path / "parity.json"
    command = ["parity", str(tmp_path / "bundle"), str(tmp_path / "bag"), "--rate", "4", "--every"]
    assert main([*command, "--json", str(figures)]) == 0
    figures = json.loads(figures.read_text())
    assert figures["equal"] and figures["external_torque"]["received"] == 398
