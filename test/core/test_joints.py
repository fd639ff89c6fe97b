# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import tracemalloc

import numpy as np
import pytest

from vastares_ros.core.errors import VastaresError
from vastares_ros.core.joints import JointAssembler


def test_joints_are_matched_by_name_and_foreign_ones_ignored():
    assembler = JointAssembler(["a", "b"], [2.0, -1.0])
    sample = assembler.push(5.0, ["gripper", "b", "a"], [9, 1, 2], [9, 3, 4], [9, 5, 6])
    assert sample.t == 5.0
    np.testing.assert_array_equal(sample.q, [2, 1])
    np.testing.assert_array_equal(sample.qd, [4, 3])
    np.testing.assert_array_equal(sample.tau, [12, -5])


def test_partial_messages_complete_a_sample_with_the_newest_values():
    assembler = JointAssembler(["a", "b"], [1, 1])
    assert assembler.push(1.0, ["a"], [1], [1], [1]) is None
    assert assembler.missing == ("b",)
    assert assembler.push(2.0, ["a"], [2], [2], [2]) is None
    sample = assembler.push(2.5, ["b"], [7], [7], [7])
    assert sample.t == 2.5
    np.testing.assert_array_equal(sample.q, [2, 7])
    assert assembler.push(3.0, ["b"], [8], [8], [8]) is None, "a is not fresh any more"


def test_what_was_not_published_is_nan_and_never_zero():
    sample = JointAssembler(["a", "b"], [1, 1]).push(1.0, ["a", "b"], [1, 2], [], [1])
    np.testing.assert_array_equal(sample.q, [1, 2])
    assert np.isnan(sample.qd).all() and np.isnan(sample.tau).all()


def test_a_foreign_message_is_no_sample():
    assert JointAssembler(["a"], [1]).push(1.0, ["gripper"], [1], [1], [1]) is None


def test_samples_do_not_share_memory():
    assembler = JointAssembler(["a"], [1])
    first = assembler.push(1.0, ["a"], [1], [1], [1])
    assembler.push(2.0, ["a"], [5], [5], [5])
    assert first.q[0] == 1


def test_a_joint_twice_in_a_message_is_named():
    with pytest.raises(VastaresError, match="'a' stands twice"):
        JointAssembler(["a"], [1]).push(1.0, ["a", "a"], [1, 2], [], [])


def test_reset_forgets_partial_messages():
    assembler = JointAssembler(["a", "b"], [1, 1])
    assembler.push(1.0, ["a"], [1], [1], [1])
    assembler.reset()
    assert assembler.push(2.0, ["b"], [1], [1], [1]) is None


def test_names_that_change_all_the_time_take_no_more_memory():
    assembler = JointAssembler(["a"], [1])

    def grown():
        tracemalloc.start()
        for i in range(500):
            name = f"joint_{i:04d}_of_a_gripper"
            assert assembler.push(1.0, ["a", name], [1, 2], [1, 2], [1, 2]).q[0] == 1
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return size

    grown()
    assert grown() < 50_000
