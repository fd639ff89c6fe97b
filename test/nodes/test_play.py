# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`vastares play`, from a bag to a subscriber in another process."""

import re
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
from made import JOINTS, motion, stamps

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from sensor_msgs.msg import JointState

from vastares_ros.cli.main import main
from vastares_ros.io.bags import MessageTable, write_joint_states
from vastares_ros.io.playback import due
from vastares_ros.nodes import player
from vastares_ros.nodes.messages import from_stamp
from vastares_ros.nodes.process import VASTARES, own_domain, spawn


@pytest.fixture
def bag(tmp_path):
    q, qd, effort = motion(300)
    at = np.array(stamps(300))
    write_joint_states(tmp_path / "bag", {"/joint_states": MessageTable(JOINTS, at, at, q, qd, effort)})
    return tmp_path / "bag"


def test_every_message_arrives_in_order_under_its_own_stamp(ros, bag):
    heard = ros.listen(JointState, "/elsewhere")
    command = [*VASTARES, "play", str(bag), "--rate", "3", "--to", "/elsewhere", "--wait", "30"]
    child = spawn(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    ros.wait(lambda: len(heard) == 300)
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    took = re.search(r"300 messages on /elsewhere in ([0-9.]+) s", said)
    assert took and float(took[1]) >= 1.0, said  # 3 s of recording at three times its pace
    assert [from_stamp(m.header.stamp) for m in heard] == stamps(300)
    q, qd, effort = motion(300)
    assert np.array_equal([m.position for m in heard], q)
    assert np.array_equal([m.velocity for m in heard], qd)
    assert np.array_equal([m.effort for m in heard], effort)
    assert heard[0].name == list(JOINTS)


@pytest.mark.ros
def test_it_plays_to_nobody_and_says_so(bag, capfd):
    with own_domain():
        assert main(["play", str(bag), "--rate", "100", "--wait", "0"]) == 0
    printed = capfd.readouterr()
    assert "nobody subscribes to /joint_states" in printed.err
    assert "300 messages" in printed.out


@pytest.mark.ros
def test_it_sleeps_until_each_message_is_due(bag, monkeypatch, capfd):
    """By a clock that only sleeping lets go on."""
    now = 100.0
    times = []

    def sleep(seconds):
        nonlocal now
        now += seconds
        times.append(now - 100.0)

    monkeypatch.setattr(player, "time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
    with own_domain():
        assert main(["play", str(bag), "--rate", "3", "--wait", "0"]) == 0
    assert times == pytest.approx(np.arange(300) / 100 / 3)
    assert "300 messages on /joint_states in 1.0 s" in capfd.readouterr().out


@pytest.mark.parametrize("rate", ["0", "-1", "nan"])
def test_a_rate_that_is_no_pace_is_refused(bag, capfd, rate):
    assert main(["play", str(bag), "--rate", rate]) == 2
    assert "--rate" in capfd.readouterr().err


S = 1_000_000_000


@pytest.mark.parametrize(
    ("stamp_s", "receive_s", "due_s"),
    [
        ([5, 6, 8], [0, 0, 0], [0, 1, 2]),  # a pause longer than receiving took is cut to a second more than that
        ([5, 6, 8], [1, 2, 4], [0, 1, 3]),
        ([5, 4, 5], [1, 2, 3], [0, 0, 1]),  # a clock that jumps back
        ([0, 1_700_000_000, 1_700_000_001], [1, 2, 3], [0, 2, 3]),  # one that is set
        ([0, 0, 0], [1, 2, 4], [0, 1, 3]),  # no stamps at all
    ],
)
def test_the_pace_is_that_of_the_stamps_where_they_are_usable(stamp_s, receive_s, due_s):
    assert due(np.array(stamp_s) * S, np.array(receive_s) * S) == pytest.approx(due_s)
