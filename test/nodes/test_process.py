# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Domains, children and signals, with real processes."""

import os
import select
import signal
import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from vastares_ros.nodes.process import VASTARES, end, own_domain, spawn


def gone(pid_fd: int) -> bool:
    """Whether a process ended, within 20 s."""
    return bool(select.select([pid_fd], [], [], 20.0)[0])


def test_a_domain_is_claimed_once_and_given_back(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "7")
    monkeypatch.delenv("ROS_AUTOMATIC_DISCOVERY_RANGE", raising=False)
    with own_domain():
        first = os.environ["ROS_DOMAIN_ID"]
        assert os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
        for _ in range(100):
            with own_domain():
                assert os.environ["ROS_DOMAIN_ID"] != first
    assert os.environ["ROS_DOMAIN_ID"] == "7"
    assert "ROS_AUTOMATIC_DISCOVERY_RANGE" not in os.environ


@pytest.mark.skipif(sys.platform != "linux", reason="Linux ends a child with its parent")
@pytest.mark.process
def test_a_child_ends_with_a_parent_that_is_killed():
    program = (
        "import signal, sys; from vastares_ros.nodes.process import spawn; "
        "child = spawn([sys.executable, '-c', 'import signal; signal.pause()'], stdout=-3); "
        "print(child.pid, flush=True); signal.pause()"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    child = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    assert gone(child)


@pytest.mark.process
def test_a_child_that_ignores_the_signal_is_ended_by_force():
    program = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); signal.pause()"
    child = spawn([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert child.stdout.readline()
    end(child, patience=0.2)
    assert child.returncode == -signal.SIGKILL
    child.stdout.close()


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT, signal.SIGINT]])
@pytest.mark.ros
def test_signals_end_a_node_with_status_0_and_no_traceback(bundle_path, signals):
    with own_domain():
        command = [*VASTARES, "estimator", "--ros-args", "-p", f"bundle:={bundle_path}"]
        child = spawn(command, stderr=subprocess.PIPE)
        said = child.stderr.readline()
        assert "loaded" in said, said + child.stderr.read()
        for number in signals:
            child.send_signal(number)
        _, rest = child.communicate(timeout=30)
    assert child.returncode == 0, rest
    assert "Traceback" not in rest


@pytest.mark.ros
def test_a_node_that_cannot_be_configured_lives_says_why_once_and_ends_in_order(tmp_path):
    with own_domain():
        command = [*VASTARES, "estimator", "--ros-args", "-p", f"bundle:={tmp_path / 'none'}"]
        child = spawn(command, stderr=subprocess.PIPE)
        said = child.stderr.readline()
        assert "configure failed" in said and "none does not exist: train one" in said, said
        assert "then: ros2 lifecycle set /estimator configure" in said
        child.send_signal(signal.SIGINT)
        _, rest = child.communicate(timeout=30)
    assert child.returncode == 0
    assert rest == ""
