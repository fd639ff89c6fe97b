# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Robot descriptions: the YAML files of `config/robots`, or one of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from vastares_ros.core.arm import Arm, resolve_arm
from vastares_ros.core.errors import RobotError, one_line
from vastares_ros.core.robot import Driver, Effort, Robot
from vastares_ros.runtime.bundle import Bundle

from .configs import load_yaml

PACKAGE = Path(__file__).resolve().parents[1]
LARGEST_URDF = 2**24  # bytes


def config_folder(package: Path = PACKAGE) -> Path:
    """The `config` folder that belongs to the package, in a source checkout or installed by pip or colcon.

    It is the first, going up from the folder of the package, that lies beside a `package.xml` or is
    `share/vastares_ros/config`.

    Raises:
        RobotError: there is none.
    """
    for parent in package.parents:
        if (parent / "package.xml").is_file() and (parent / "config").is_dir():
            return parent / "config"
        installed = parent / "share" / "vastares_ros" / "config"
        if installed.is_dir():
            return installed
    raise RobotError(
        f"no config folder belongs to {package}: install the package again, or give the path of a robot file"
    )


def robot_names() -> list[str]:
    """Names of the robots that come with the package."""
    return sorted(file.stem for file in (config_folder() / "robots").glob("*.yaml"))


def load_robot(name_or_path: str | Path) -> Robot:
    """Read a robot description.

    Args:
        name_or_path: a name of `robot_names()`, or the path of a YAML file (anything with a suffix or a slash).

    Raises:
        RobotError: the name or file is unknown, or a field of it is missing, unknown or wrong.
    """
    given = str(name_or_path)
    if Path(given).suffix in (".yaml", ".yml") or "/" in given:
        return _read(Path(given))
    if given not in robot_names():
        raise RobotError(
            f"robot {given!r} is unknown: use {', '.join(robot_names())}, or the path of a YAML file", robot=given
        )
    return _read(config_folder() / "robots" / f"{given}.yaml")


def known_robot(name: str) -> Robot | None:
    """The description of a robot that comes with the package; None where it has none of this name."""
    return load_robot(name) if name in robot_names() else None


def read_urdf(path: str | Path) -> str:
    """Read the text of a URDF file.

    Raises:
        RobotError: it cannot be read.
    """
    try:
        if Path(path).stat().st_size > LARGEST_URDF:
            raise RobotError(f"{path} has more than {LARGEST_URDF >> 20} MB: give a URDF, as xacro makes it", path=path)
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8 text"
        raise RobotError(f"{path} cannot be read ({why}): give a URDF, as xacro makes it", path=path) from error


def bundle_arm(bundle: Bundle, urdf: str = "", tip: str = "") -> Arm:
    """The arm that a bundle is for, by the rule of `core.arm.resolve_arm`.

    Args:
        bundle: it may carry a URDF, and names its robot.
        urdf: text of a URDF that goes before all others; empty for none.
        tip: link on which the environment acts; empty for the default.

    Raises:
        RobotError: see `resolve_arm`.
    """
    carried = bundle.model.dynamics.arm if bundle.model.dynamics else None
    return resolve_arm(bundle.joints, known_robot(bundle.robot), urdf, carried, tip, robot_name=bundle.robot)


def _read(file: Path) -> Robot:
    try:
        content = load_yaml(file)
    except OSError as error:
        raise RobotError(f"{file} cannot be read: {error.strerror}", path=file) from error
    except yaml.YAMLError as error:
        raise RobotError(f"{file} is not valid YAML: {one_line(error)}", path=file) from error

    fields = _Fields(file, content)
    name, tip = fields.text("name"), fields.text("tip")
    rate = fields.take("rate", (int, float))
    if not 0 < rate < float("inf"):
        raise fields.error("rate", f"is {rate}: give samples a second above 0", value=rate, lower=0)
    urdf = ""
    urdf_joints: tuple[str, ...] = ()
    if "urdf" in fields:
        urdf, urdf_joints = read_urdf(_urdf_path(file, fields)), fields.names("urdf_joints")
    entries = fields.take("drivers", list)
    if not entries:
        raise fields.error("drivers", "is empty: name at least one")
    drivers = tuple(_driver(_Fields(file, entry, f"drivers[{i}].")) for i, entry in enumerate(entries))
    fields.done()

    count = len(urdf_joints or drivers[0].joints)
    for i, driver in enumerate(drivers):
        if len(driver.joints) != count:
            raise fields.error(
                f"drivers[{i}].joints", f"has {len(driver.joints)} names where others have {count}", value=driver.joints
            )
    return Robot(name, float(rate), tip, urdf, urdf_joints, drivers)


def _urdf_path(file: Path, fields: _Fields) -> Path:
    """The URDF that a robot file names, in its folder or the folder `urdf` beside it.

    A robot file may come from somebody else, and what it names ends up in bundles: other files are named by the user.
    """
    named = fields.text("urdf")
    path = file.parent / named
    folders = (file.parent.resolve(), file.resolve().parent)  # the file may be a link
    if not any(path.resolve().is_relative_to(inside) for f in folders for inside in (f, f.parent / "urdf")):
        raise fields.error(
            "urdf",
            f"is {named!r}, outside the folder of the robot file: copy the URDF beside it, or give it with --urdf",
            value=named,
        )
    if not path.is_file():
        raise fields.error("urdf", f"names {path}, which is not there", value=path)
    return path


def _driver(fields: _Fields) -> Driver:
    name, joints = fields.text("name"), fields.names("joints")
    effort = _Fields(fields.file, fields.take("effort", dict), fields.prefix + "effort.")
    unit = effort.text("unit")
    scale = effort.take("scale", (int, float, list)) if "scale" in effort else 1.0
    scales = scale if isinstance(scale, list) else [scale] * len(joints)
    if len(scales) != len(joints) or not all(isinstance(s, int | float) and not isinstance(s, bool) for s in scales):
        raise effort.error("scale", f"is {scale}: give one number, or a list of {len(joints)}", value=scale)
    compensated = effort.take("gravity_compensated", bool) if "gravity_compensated" in effort else False
    effort.done()
    fields.done()
    try:
        return Driver(name, joints, Effort(unit, tuple(float(s) for s in scales), compensated))
    except RobotError as error:
        raise error.within(
            f"{fields.file}: {fields.prefix}effort", path=fields.file, field=effort.prefix + (error.field or "")
        ) from error


class _Fields:
    """A mapping of the file whose fields are taken out one by one; those left over are unknown."""

    def __init__(self, file: Path, content: Any, prefix: str = ""):
        self.file, self.prefix = file, prefix
        if not isinstance(content, dict):
            raise RobotError(
                f"{file}: {prefix.rstrip('.') or 'the file'} must hold fields, like those of ur5.yaml",
                path=file,
                field=prefix.rstrip(".") or None,
                value=content,
            )
        self._left = dict(content)

    def __contains__(self, field: str) -> bool:
        return field in self._left

    def error(self, field: str, problem: str, **about: Any) -> RobotError:
        return RobotError(
            f"{self.file}: field {self.prefix}{field} {problem}", path=self.file, field=self.prefix + field, **about
        )

    def take(self, field: str, kind: type | tuple[type, ...]) -> Any:
        if field not in self._left:
            raise self.error(field, "is missing")
        value = self._left.pop(field)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.error(field, f"is {value!r}, of the wrong type", value=value)
        return value

    def text(self, field: str) -> str:
        text: str = self.take(field, str)
        return text

    def names(self, field: str) -> tuple[str, ...]:
        names = self.take(field, list)
        if not names or len(set(map(str, names))) < len(names) or not all(isinstance(name, str) for name in names):
            raise self.error(field, f"is {names}: list different joint names, in quotes", value=names)
        return tuple(names)

    def done(self) -> None:
        if self._left:
            raise self.error(str(next(iter(self._left))), "is unknown: see ur5.yaml for those that exist")
