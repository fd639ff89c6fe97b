# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Errors carry what their message names, for programs."""

import pickle

import numpy as np
import pytest

from vastares_ros.core.arm import resolve_arm
from vastares_ros.core.config import check_ranges, from_mapping
from vastares_ros.core.errors import BagError, ConfigError, RobotError, VastaresError
from vastares_ros.core.joints import columns
from vastares_ros.core.robot import Effort, choose_driver
from vastares_ros.core.sampling import measured_rate
from vastares_ros.core.signals import CausalFilter, FilterConfig

URDF = '<robot><joint name="elbow" type="revolute"><parent link="base"/><child link="arm"/></joint></robot>'


@pytest.mark.parametrize(
    ("kind", "about", "fail"),
    [
        (
            ConfigError,
            {"field": "filter.order", "value": 9, "lower": 1, "upper": 8},
            lambda: from_mapping(FilterConfig, {"order": 9}, "filter"),
        ),
        (
            ConfigError,
            {"field": "filter.depth", "value": 1},
            lambda: from_mapping(FilterConfig, {"depth": 1}, "filter"),
        ),
        (ConfigError, {"field": "order", "value": "two"}, lambda: from_mapping(FilterConfig, {"order": "two"})),
        (ConfigError, {"field": "filter", "value": 3}, lambda: from_mapping(FilterConfig, 3, "filter")),
        (ConfigError, {"field": "filter.kind", "value": "bessel"}, lambda: FilterConfig("bessel")),
        (ConfigError, {"field": "filter.cutoff_hz", "value": 0.0, "lower": 0.1}, lambda: FilterConfig(cutoff_hz=0.0)),
        (
            ConfigError,
            {"field": "filter.cutoff_hz", "value": 10.0, "upper": 7.5},
            lambda: CausalFilter(FilterConfig(), 15.0),
        ),
        (
            ConfigError,
            {"field": "network.order", "value": 2, "lower": 4, "upper": 6},
            lambda: check_ranges("network", FilterConfig(), order=(4, 6)),
        ),
        (VastaresError, {"joint": "b"}, lambda: columns(["a", "b"], ["b", "a", "b"])),
        (BagError, {"value": 1, "lower": 2}, lambda: measured_rate(np.array([3.0, 3.0]))),
        (RobotError, {"field": "unit", "value": "kg"}, lambda: Effort("kg", (1.0,))),
        (RobotError, {"field": "scale", "value": (1.0, 0.0)}, lambda: Effort("A", (1.0, 0.0))),
        (ConfigError, {"joint": "a"}, lambda: choose_driver(None, "ab", ["a", "b", "a"], "", ())),
        (ConfigError, {"field": "scale", "value": (1.0, 2.0)}, lambda: choose_driver(None, "abc", (), "", (1.0, 2.0))),
        (RobotError, {"joint": "wrist"}, lambda: resolve_arm(["elbow", "wrist"], urdf=URDF)),
        (RobotError, {"robot": "made"}, lambda: resolve_arm(["elbow"], robot_name="made")),
    ],
)
def test_errors_carry_what_they_name(kind, about, fail):
    with pytest.raises(kind) as raised:
        fail()
    error = raised.value
    assert error.about == about
    assert {name: getattr(error, name) for name in about} == about


def test_an_error_keeps_all_of_it_when_it_crosses_processes():
    sent = RobotError("joint elbow is unknown", joint="elbow", value=(1, 2), lower=0.5, path="arm.urdf")
    received = pickle.loads(pickle.dumps(sent))
    assert type(received) is RobotError and str(received) == str(sent) and received.about == sent.about
    assert received.upper is None


def test_within_puts_the_place_before_the_message_and_keeps_the_rest():
    inner = ConfigError("order is 9", field="order", value=9)
    outer = inner.within("events[1]", field="events[1].order").within("push.yaml", path="push.yaml")
    assert type(outer) is ConfigError and str(outer) == "push.yaml: events[1]: order is 9"
    assert outer.about == {"field": "events[1].order", "value": 9, "path": "push.yaml"}
    assert outer.within("x", path="other.yaml").path == "other.yaml"


def test_what_acts_on_a_terminal_is_shown_instead():
    assert str(VastaresError("joint \x1b[31m\n\x9b é · ² \u202e")) == r"joint \x1b[31m\n\x9b é · ² \u202e"
