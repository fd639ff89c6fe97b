# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from vastares_ros.cli.main import main
from vastares_ros.core.errors import ConfigError, OutputError
from vastares_ros.io.bags import joint_state_topics, read_joint_states, read_recording
from vastares_ros.io.injections import TRUTH_TOPIC
from vastares_ros.io.robots import load_robot
from vastares_ros.io.simulations import simulate
from vastares_ros.physics.simulation import SimulatedArm


@pytest.fixture(scope="module")
def bags(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("simulated") / "arm", "ur3", 1, 10.0, 12.0, 7)


def test_bags_hold_what_the_arm_did(bags):
    free, pushes = bags
    assert (free.name, pushes.name) == ("free_1", "pushes")
    assert set(joint_state_topics(free)) == {"/joint_states"}
    assert set(joint_state_topics(pushes)) == {"/joint_states", TRUTH_TOPIC}
    driver = load_robot("ur3").driver_for(read_joint_states(free).tables[0].names)
    assert driver.name == "simulation"
    recording = read_recording(free, driver.joints, driver.effort.scale)
    (episode,) = recording.episodes
    told = SimulatedArm(load_robot("ur3")).free_motion(10.0, np.random.default_rng([7, 1])).episode
    np.testing.assert_array_equal(episode.q, told.q)
    np.testing.assert_array_equal(episode.tau, told.tau)


def test_truth_bears_the_stamps_of_the_samples(bags):
    (samples,), (truth,) = (read_joint_states(bags[1], topic).tables for topic in ("/joint_states", TRUTH_TOPIC))
    np.testing.assert_array_equal(truth.stamp_ns, samples.stamp_ns)
    assert truth.names == samples.names
    assert truth.position.shape == truth.velocity.shape == (len(samples), 0)
    assert np.abs(truth.effort).max() > 1
    told = SimulatedArm(load_robot("ur3")).pushes(12.0, np.random.default_rng([7, 0]))
    np.testing.assert_array_equal(truth.effort, told.tau_ext)


def test_stamps_look_like_those_of_a_robot(bags):
    stamps = [read_joint_states(bag).tables[0].stamp_ns for bag in bags]
    for ns in stamps:
        assert ns[0] > 1.6e18
        assert 0 < np.diff(ns).min() < 0.008e9 < np.diff(ns).max() < 0.012e9
    assert stamps[1][0] > stamps[0][-1]


def test_verb_writes_where_it_is_told_and_refuses_to_overwrite(tmp_path, capsys):
    argv = ["simulate", "--robot", "ur5", "-o", str(tmp_path / "arm"), "--episodes", "0", "--push-seconds", "10"]
    assert main(argv) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'arm' / 'pushes'}\n"
    assert main(argv) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*argv, "--force"]) == 0


def test_force_spares_a_folder_that_is_no_simulation(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(OutputError):
        simulate(tmp_path, force=True)
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize("numbers", [{"episodes": -1}, {"seconds": 5.0}, {"push_seconds": float("nan")}, {"seed": -1}])
def test_numbers_out_of_range_are_refused(tmp_path, numbers):
    with pytest.raises(ConfigError, match="use"):
        simulate(tmp_path / "arm", **numbers)
    assert not (tmp_path / "arm").exists()
