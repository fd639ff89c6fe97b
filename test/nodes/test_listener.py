# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`vastares doctor --live`, from a publisher in another process."""

import json

import numpy as np
import pytest
from made import JOINTS, motion, stamps

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from vastares_ros.cli.main import main
from vastares_ros.core.errors import BagError
from vastares_ros.io.bags import MessageTable, write_joint_states
from vastares_ros.nodes import listener
from vastares_ros.nodes.process import VASTARES, end, own_domain, spawn

pytestmark = [pytest.mark.ros, pytest.mark.process]


def test_what_comes_on_a_topic_is_examined(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(listener, "PATIENCE", 120.0)  # the other process has to start
    q, qd, effort = motion(3000)
    at = np.array(stamps(3000))
    write_joint_states(tmp_path / "bag", {"/joint_states": MessageTable(JOINTS, at, at, q, qd, effort)})
    with own_domain():
        child = spawn([*VASTARES, "play", str(tmp_path / "bag"), "--to", "/arm", "--wait", "120"])
        try:
            assert main(["doctor", "/arm", "--live", "6", "--json", "-"]) in (0, 1)
        finally:
            end(child)
    found = json.loads(capfd.readouterr().out)
    checks = {c["name"]: c for c in found["checks"]}
    assert found["joints"] == list(JOINTS) and found["rate"] == pytest.approx(1e9 / (at[1] - at[0]), rel=1e-3)
    assert checks["velocity"]["status"] == "pass"


def test_silence_and_bad_names(monkeypatch, capfd):
    monkeypatch.setattr(listener, "PATIENCE", 0.3)
    with own_domain():
        with pytest.raises(BagError, match="no joint state on /arm within"):
            listener.hear("/arm", 5.0, lambda passed: None)
        assert main(["doctor", "/no topic", "--live", "5"]) == 2
        assert main(["doctor", "/arm", "--live", "1"]) == 2
    err = capfd.readouterr().err
    assert "is no topic name" in err and "--live is 1: use 5 to 3600 s" in err
