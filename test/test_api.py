# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The Python interface: what `vastares_ros` exports."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import vastares_ros
from vastares_ros import (
    Episode,
    Pipeline,
    TrainConfig,
    VastaresError,
    estimate,
    identify,
    load_bundle,
    read_bag,
    save_bundle,
    train,
)
from vastares_ros.io.bags import MessageTable, write_joint_states
from vastares_ros.io.robots import bundle_arm, config_folder
from vastares_ros.runtime.pipeline import make_wrench_estimator

SMALL = TrainConfig(network={"window": 8, "hidden": 4, "hidden_layers": 0}, epochs=1)


@pytest.fixture(scope="module")
def bundle(dataset, tmp_path_factory):
    path = tmp_path_factory.mktemp("api") / "bundle"
    save_bundle(path, train(dataset, SMALL, test=["three"], validation=["two"], device="cpu"))
    return load_bundle(str(path))


@pytest.fixture
def bag(tmp_path, dataset):
    e = dataset.episodes[2]
    ns = np.round(e.t * 1e9).astype(np.int64)
    write_joint_states(tmp_path / "bag", {"/joint_states": MessageTable(e.joints, ns, ns, e.q, e.qd, e.tau)})
    return tmp_path / "bag"


def test_every_exported_name_is_there():
    assert all(getattr(vastares_ros, name) is not None for name in vastares_ros.__all__)
    assert set(vastares_ros.__all__) <= set(dir(vastares_ros))
    with pytest.raises(AttributeError, match="no attribute 'nose'"):
        _ = vastares_ros.nose


@pytest.mark.process
def test_the_import_alone_needs_nothing():
    program = "import sys, vastares_ros\nassert not {'numpy', 'torch', 'pyarrow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_estimate_over_a_bag_has_the_bits_of_the_pipeline(bundle, bag):
    recording = read_bag(bag, bundle)
    found = estimate(bundle, recording)
    pipeline, (episode,) = Pipeline(bundle), recording.episodes
    for i, s in enumerate(episode):
        outputs = pipeline.push(round(s.t * 1e9), bundle.joints, s.q, s.qd, s.tau / bundle.effort.scale)
        np.testing.assert_array_equal(outputs.estimate.tau_free, found.tau_free[i])
        np.testing.assert_array_equal(outputs.estimate.tau_ext, found.tau_ext[i])
    assert len(found.t) == len(episode) and found.valid.any()
    table = found.to_table()
    assert table.column_names[:3] == ["t", "valid", f"tau_free_{bundle.joints[0]}"]
    np.testing.assert_array_equal(table[f"tau_ext_{bundle.joints[1]}"].to_numpy(), found.tau_ext[:, 1])


def test_each_episode_begins_afresh(bundle, dataset):
    one, two = dataset.episodes[:2]
    both, alone = estimate(bundle, [one, two]), estimate(bundle, two)
    assert isinstance(one, Episode)
    np.testing.assert_array_equal(both.tau_free[len(one) :], alone.tau_free)


def test_a_bag_without_a_bundle_takes_all_joints(bag, dataset):
    assert read_bag(bag).joints == dataset.joints
    assert read_bag(bag, joints=dataset.joints[::-1]).joints == dataset.joints[::-1]


@pytest.fixture(scope="module")
def identified(arm_dataset):
    pytest.importorskip("pinocchio")
    return identify(arm_dataset, test=["three"])


def test_identification_as_a_function(identified):
    assert identified.metrics["nmse_mean"]["model"] < 0.01


def test_the_wrench_has_the_bits_of_the_pipeline(identified, arm_dataset):
    episode = arm_dataset.episodes[2]
    found = estimate(identified, episode, wrench_frame="base_link")
    pipeline = Pipeline(identified, wrench=make_wrench_estimator(identified, bundle_arm(identified), "base_link"))
    nothing = np.full(6, np.nan)
    for i, s in enumerate(episode):
        outputs = pipeline.push(round(s.t * 1e9), identified.joints, s.q, s.qd, s.tau)
        expected = outputs["external_wrench"]
        np.testing.assert_array_equal(found.wrench[i], nothing if expected is None else expected)
    assert np.isnan(found.wrench[0]).all() and np.isfinite(found.wrench).all(axis=1).any()
    assert found.wrench_frame == "base_link" and estimate(identified, episode).wrench_frame == "tool0"
    table = found.to_table()
    assert table.column_names[-6:] == ["force_x", "force_y", "force_z", "torque_x", "torque_y", "torque_z"]
    np.testing.assert_array_equal(table["torque_x"].to_numpy(), found.wrench[:, 3])


def test_no_wrench(bundle, dataset, identified, arm_dataset):
    episode = arm_dataset.episodes[2]
    without = estimate(bundle, dataset.episodes[2])  # of a robot without a URDF
    assert without.wrench is None and without.wrench_frame == ""
    assert "force_x" not in without.to_table().column_names
    with pytest.raises(VastaresError, match="no joint shoulder"):
        estimate(bundle, dataset.episodes[2], urdf=config_folder() / "urdf" / "ur5.urdf")
    amperes = replace(identified, effort=replace(identified.effort, unit="A"))
    assert estimate(amperes, episode).wrench is None
    with pytest.raises(VastaresError, match="is in A"):
        estimate(amperes, episode, wrench_frame="tool0")
    assert estimate(identified, []).wrench.shape == (0, 6)
