# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The Python interface: what `vastares_ros` exports."""

import subprocess
import sys

import numpy as np
import pytest

import vastares_ros
from vastares_ros import Episode, Pipeline, TrainConfig, estimate, identify, load_bundle, read_bag, save_bundle, train
from vastares_ros.io.bags import MessageTable, write_joint_states

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


def test_identification_as_a_function(arm_dataset):
    pytest.importorskip("pinocchio")
    assert identify(arm_dataset, test=["three"]).metrics["nmse_mean"]["model"] < 0.01
