"""The house: imports only point down, and only nodes/ needs ROS."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import vastares_ros

PACKAGE = Path(vastares_ros.__file__).parent
ROOMS = ("core", "models", "runtime", "io", "training", "cli", "nodes")
MODULES = sorted(p.relative_to(PACKAGE.parent) for p in PACKAGE.rglob("*.py"))


def imported(tree: ast.AST) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", [m for m in MODULES if len(m.parts) > 2], ids=str)
def test_imports_only_point_down(path):
    room = ROOMS.index(path.parts[1])
    for name in imported(ast.parse((PACKAGE.parent / path).read_text(encoding="utf-8"))):
        parts = name.split(".")
        if parts[0] == "vastares_ros" and len(parts) > 1 and parts[1] in ROOMS:
            assert ROOMS.index(parts[1]) <= room, f"{path} imports {name}"


@pytest.mark.process
def test_every_other_room_imports_without_ros():
    modules = [".".join(m.with_suffix("").parts).removesuffix(".__init__") for m in MODULES if m.parts[1] != "nodes"]
    modules.remove("vastares_ros.__main__")  # runs on import
    blocked = (
        "rclpy",
        "builtin_interfaces",
        "diagnostic_msgs",
        "geometry_msgs",
        "lifecycle_msgs",
        "rcl_interfaces",
        "rosgraph_msgs",
        "sensor_msgs",
        "std_msgs",
        "std_srvs",
        "visualization_msgs",
    )
    program = f"import sys\nsys.modules.update(dict.fromkeys({blocked}))\n" + "".join(f"import {m}\n" for m in modules)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
