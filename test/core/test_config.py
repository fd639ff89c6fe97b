# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from dataclasses import dataclass, field

import pytest

from vastares_ros.core.config import from_mapping
from vastares_ros.core.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    rate: float = 1.0


@dataclass(frozen=True)
class Outer:
    count: int = 3
    inner: Inner = field(default_factory=Inner)


def test_what_yaml_takes_for_text_is_a_number():
    assert from_mapping(Outer, {"inner": {"rate": "1e-2"}}) == Outer(3, Inner(0.01))


def test_absent_fields_keep_their_default_and_whole_numbers_pass_for_floats():
    assert from_mapping(Outer, {"inner": {"rate": 2}}) == Outer(3, Inner(2.0))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"speed": 1}, r"unknown field speed: known are count, inner"),
        ({"inner": {"speed": 1}}, r"unknown field inner\.speed"),
        ({"count": 1.5}, r"count is 1\.5: use a whole number"),
        ({"count": True}, r"count is True"),
        ({"inner": {"rate": float("inf")}}, r"inner\.rate is inf: use a finite number"),
        ({"inner": {"rate": "fast"}}, r"inner\.rate is 'fast': use a finite number"),
        ({"inner": 4}, r"inner must be a mapping"),
        ([1], r"must be a mapping"),
    ],
)
def test_a_wrong_field_is_named(values, message):
    with pytest.raises(ConfigError, match=message):
        from_mapping(Outer, values)
