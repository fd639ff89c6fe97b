# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from pathlib import Path

import pytest
import yaml

from vastares_ros.core.arm import Arm
from vastares_ros.core.errors import RobotError
from vastares_ros.io.robots import config_folder, load_robot, robot_names
from vastares_ros.physics.rigid_body import RigidBody

GOOD = {
    "name": "mine",
    "rate": 250,
    "tip": "flange",
    "drivers": [{"name": "usual", "joints": ["a", "b"], "effort": {"unit": "A", "scale": [2, -0.5]}}],
}


def write(folder: Path, content: object) -> Path:
    file = folder / "mine.yaml"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content, allow_unicode=True))
    return file


def test_all_robots_of_the_package_are_there():
    assert robot_names() == ["baxter", "iiwa14", "iiwa7", "lwr", "ur10", "ur10e", "ur3", "ur5", "ur5e"]


@pytest.mark.parametrize("name", robot_names())
def test_robot_of_the_package_loads_and_fits_its_urdf(name):
    robot = load_robot(name)
    joints = 6 if name.startswith("ur") else 7
    assert robot.name == name
    assert all(len(driver.joints) == len(driver.effort.scale) == joints for driver in robot.drivers)
    assert bool(robot.urdf) == (name != "baxter")
    if robot.urdf:
        assert RigidBody(Arm(robot.urdf, robot.urdf_joints, robot.tip)).effort.shape == (joints,)


def test_ur_drivers_differ_in_names_unit_and_sign():
    robot = load_robot("ur3")
    usual = robot.driver_for(["wrist_3_joint", *robot.urdf_joints, "finger"])
    assert (usual.name, usual.effort.unit, usual.effort.scale[0]) == ("ur_robot_driver", "A", 1.0)
    authors = robot.driver_for(["Base", "Shoulder", "Elbow", "Wrist 1", "Wrist 2", "Wrist 3"])
    assert (authors.effort.unit, authors.effort.scale) == ("N·m", (-1.0,) * 6)


def test_a_robot_of_the_users_own(tmp_path):
    robot = load_robot(write(tmp_path, GOOD))
    assert (robot.name, robot.rate, robot.tip, robot.urdf, robot.urdf_joints) == ("mine", 250.0, "flange", "", ())
    assert robot.drivers[0].joints == ("a", "b")
    assert robot.drivers[0].effort.scale == (2.0, -0.5)
    assert not robot.drivers[0].effort.gravity_compensated


def test_urdf_is_found_beside_the_file_and_scale_spreads(tmp_path):
    (tmp_path / "mine.urdf").write_text("<robot/>")
    effort = {"unit": "N·m", "scale": -1, "gravity_compensated": True}
    driver = {"name": "usual", "joints": ["x", "y"], "effort": effort}
    robot = load_robot(write(tmp_path, GOOD | {"urdf": "mine.urdf", "urdf_joints": ["a", "b"], "drivers": [driver]}))
    assert (robot.urdf, robot.urdf_joints) == ("<robot/>", ("a", "b"))
    assert robot.drivers[0].effort.scale == (-1.0, -1.0)
    assert robot.drivers[0].effort.gravity_compensated


def driver(**changes: object) -> dict:
    return GOOD | {"drivers": [GOOD["drivers"][0] | changes]}


BAD = [
    ("- a list", "the file must hold fields"),
    ("name: [", "is not valid YAML"),
    ({k: v for k, v in GOOD.items() if k != "rate"}, "field rate is missing"),
    (GOOD | {"rate": "fast"}, "field rate is 'fast'"),
    (GOOD | {"rate": True}, "field rate is True"),
    (GOOD | {"rate": 0}, "field rate is 0"),
    (GOOD | {"tool": "x"}, "field tool is unknown"),
    (
        GOOD | {"urdf": "/etc/passwd"},
        "field urdf is '/etc/passwd', outside the folder of the robot file: copy",
    ),
    (GOOD | {"urdf": "../other/x.urdf"}, "field urdf is '../other/x.urdf', outside the folder"),
    (GOOD | {"urdf": "gone.urdf"}, "field urdf names .*gone.urdf, which is not there"),
    (GOOD | {"drivers": []}, "field drivers is empty"),
    (GOOD | {"drivers": ["usual"]}, r"drivers\[0\] must hold fields"),
    (driver(joints=["a", True]), r"field drivers\[0\].joints is \['a', True\]"),
    (driver(joints=["a", "a"]), r"field drivers\[0\].joints is \['a', 'a'\]"),
    (driver(extra=1), r"field drivers\[0\].extra is unknown"),
    (driver(effort={}), r"field drivers\[0\].effort.unit is missing"),
    (driver(effort={"unit": "N/m"}), r"drivers\[0\].effort: effort unit 'N/m' is unknown"),
    (driver(effort={"unit": "A", "scale": [1]}), r"effort.scale is \[1\]: give one number, or a list of 2"),
    (driver(effort={"unit": "A", "scale": [1, "x"]}), "effort.scale is .*: give one number"),
    (driver(effort={"unit": "A", "scale": 0}), "zero or a non-number"),
    (driver(effort={"unit": "A", "gravity_compensated": 1}), "gravity_compensated is 1, of the wrong type"),
    (GOOD | {"drivers": [*GOOD["drivers"], {"name": "b", "joints": ["c"], "effort": {"unit": "A"}}]}, "has 1 names"),
]


@pytest.mark.parametrize(("content", "problem"), BAD, ids=[problem for _, problem in BAD])
def test_what_is_wrong_is_named_with_its_file(tmp_path, content, problem):
    with pytest.raises(RobotError, match=problem) as error:
        load_robot(write(tmp_path, content))
    assert str(error.value).startswith(str(tmp_path / "mine.yaml"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "field", "value"),
    [
        (GOOD | {"rate": 0}, "rate", 0),
        (GOOD | {"tool": "x"}, "tool", None),
        (driver(joints=["a", "a"]), "drivers[0].joints", ["a", "a"]),
        (driver(effort={"unit": "N/m"}), "drivers[0].effort.unit", "N/m"),
    ],
)
def test_what_is_wrong_is_there_for_programs(tmp_path, content, field, value):
    with pytest.raises(RobotError) as error:
        load_robot(write(tmp_path, content))
    assert (error.value.path, error.value.field, error.value.value) == (tmp_path / "mine.yaml", field, value)


def test_unknown_name_lists_those_that_exist():
    with pytest.raises(RobotError, match=r"'ur4' is unknown: use baxter, iiwa14, .*ur5e, or the path"):
        load_robot("ur4")


def test_missing_and_unreadable_files(tmp_path):
    with pytest.raises(RobotError, match=r"gone.yaml cannot be read: No such file"):
        load_robot(tmp_path / "gone.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RobotError, match=r"binary.yaml is not valid YAML: 'utf-8' codec"):
        load_robot(tmp_path / "binary.yaml")


def test_config_of_a_checkout(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "package.xml").touch()
    assert config_folder(tmp_path / "vastares_ros") == tmp_path / "config"


def test_config_of_an_installation_and_not_a_foreign_one(tmp_path):
    package = tmp_path / "lib" / "python3" / "site-packages" / "vastares_ros"
    (tmp_path / "lib" / "config").mkdir(parents=True)  # no package.xml beside it
    (tmp_path / "share" / "vastares_ros" / "config").mkdir(parents=True)
    assert config_folder(package) == tmp_path / "share" / "vastares_ros" / "config"


def test_package_without_config_says_so(tmp_path):
    with pytest.raises(RobotError, match="no config folder belongs to"):
        config_folder(tmp_path / "vastares_ros")


def test_a_link_does_not_lead_a_urdf_out_of_its_folder(tmp_path):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "robots").mkdir()
    (tmp_path / "robots" / "a.urdf").symlink_to(tmp_path / "secret")
    with pytest.raises(RobotError, match=r"'a\.urdf', outside the folder"):
        load_robot(write(tmp_path / "robots", GOOD | {"urdf": "a.urdf", "urdf_joints": ["a", "b"]}))
