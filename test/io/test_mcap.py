# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from vastares_ros.core.errors import OutputError
from vastares_ros.io.mcap import written_mcap

STORE = get_typestore(Stores.ROS2_JAZZY)


def read(path):
    with Reader(path) as reader:
        return [(c.topic, ns, STORE.deserialize_cdr(raw, c.msgtype)) for c, ns, raw in reader.messages()]


def test_messages_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "new" / "out.mcap"
    with written_mcap(path) as recorder:
        recorder.joint_state("/a", 1_000_000_002, 5, ["x", "y"], [1.5, np.nan], [1, 2], [3, 4])
        recorder.joint_state("/b", 3, 6, ["x"], [True])
        recorder.wrench("/w", 4, 7, "tool0", np.arange(6.0))
        assert recorder.counts == {"/a": 1, "/b": 1, "/w": 1}
    (a, a_ns, first), (b, b_ns, second), (w, w_ns, third) = read(path)
    assert (a, a_ns, b, b_ns, w, w_ns) == ("/a", 5, "/b", 6, "/w", 7)
    assert (first.header.stamp.sec, first.header.stamp.nanosec, first.name) == (1, 2, ["x", "y"])
    np.testing.assert_array_equal([first.effort, first.position, first.velocity], [[1.5, np.nan], [1, 2], [3, 4]])
    assert list(second.effort) == [1.0] and not len(second.position) and not len(second.velocity)
    force, torque = third.wrench.force, third.wrench.torque
    assert (force.x, force.y, force.z, torque.x, torque.y, torque.z) == tuple(range(6))
    assert third.header.frame_id == "tool0" and third.header.stamp.nanosec == 4
    assert [p.name for p in path.parent.iterdir()] == ["out.mcap"]


def test_what_went_wrong_leaves_nothing_and_what_was_there(tmp_path):
    path = tmp_path / "out.mcap"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), written_mcap(path, force=True) as recorder:
        recorder.joint_state("/a", 1, 1, ["x"], [1.0])
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("name", "match"), [("out.mcap", "--force"), ("out.bag", "must end in .mcap")])
def test_a_file_that_is_there_or_has_another_suffix_is_refused(tmp_path, name, match):
    (tmp_path / "out.mcap").touch()
    with pytest.raises(OutputError, match=match), written_mcap(tmp_path / name):
        pass
