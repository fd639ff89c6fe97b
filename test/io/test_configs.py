# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""YAML from strangers: the core types, and an error of one line for everything else."""

import time

import pytest
import yaml

from vastares_ros.core.errors import BundleError, ConfigError, DatasetError, RobotError
from vastares_ros.io.bundles import read_index
from vastares_ros.io.configs import LARGEST, parse_yaml, read_yaml
from vastares_ros.io.datasets import load_dataset
from vastares_ros.io.injections import read_profile
from vastares_ros.io.robots import load_robot
from vastares_ros.training.config import read_config

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)
HOSTILE = {
    "tag": ("a: !!int foo", "line 1: tag !!int is not used here"),
    "python": ("a: !!python/object/apply:os.system [x]", "tag !!python/object"),
    "number": ("a: 0b_", "invalid literal"),
    "digits": ("a: " + "9" * 5000, "4300 digits"),
    "depth": ("a: " + "[" * 3000, "more than 20 lists and mappings"),
    "bomb": (BOMB, "more than 200000 values, aliases followed"),
    "recursive": ("a: &a [*a]", "alias a is within itself"),
    "size": ("a: [" + "1," * LARGEST, "more than 4 MB"),
    "not text": ("\udcff", "can't decode"),
    "control": ("a: \x07", "control characters"),
}
READERS = {
    "robot.yaml": (load_robot, RobotError),
    "train.yaml": (lambda path: read_config(path, {}), ConfigError),
    "push.yaml": (read_profile, ConfigError),
    "dataset.yaml": (lambda path: load_dataset(path.parent), DatasetError),
    "bundle.yaml": (lambda path: read_index(path.parent), BundleError),
}


def test_the_core_types_are_read_and_nothing_else_is_made():
    content = b"a: [1, -2.5, yes, null, text, 2020-01-01, 2020-13-45, =, <<]\nb: &b [1]\nc: [*b, *b]"
    words = ["text", "2020-01-01", "2020-13-45", "=", "<<"]
    assert parse_yaml(content) == {"a": [1, -2.5, True, None, *words], "b": [1], "c": [[1], [1]]}
    shared = [1.0, 2.0]
    assert parse_yaml(yaml.safe_dump({"a": shared, "b": shared}).encode()) == {"a": shared, "b": shared}


@pytest.mark.parametrize(("text", "message"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_hostile_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "x.yaml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    began = time.process_time()
    with pytest.raises(ConfigError, match=message) as caught:
        read_yaml(path, "")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert time.process_time() - began < 60  # without the limits it takes minutes, or does not end


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["tag", "number", "depth", "recursive", "not text"])
def test_every_file_is_read_so(tmp_path, name, kind):
    read, error = READERS[name]
    (tmp_path / name).write_bytes(HOSTILE[kind][0].encode(errors="surrogateescape"))
    with pytest.raises(error, match=f"{name}.*(not valid YAML|{HOSTILE[kind][1]})"):
        read(tmp_path / name)
