# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The house: imports only point down, and only nodes/ needs ROS."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import vastares_ros

PACKAGE = Path(vastares_ros.__file__).parent
ROOMS = ("core", "physics", "models", "runtime", "io", "training", "report", "nodes", "cli")
NOT_OF_NODES = ("training", "report")  # a node runs on a robot, where nobody trains or draws

MODULES = sorted(p.relative_to(PACKAGE.parent) for p in PACKAGE.rglob("*.py"))


def imported(tree: ast.AST, package: str) -> set[str]:
    """Every module that is imported in a tree, by its full name; relative imports are of `package`."""
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            beside = f"{package}." if node.level == 1 else ""
            assert node.level < 2, "import from another room by its full name"
            if beside and not node.module:
                names |= {beside + alias.name for alias in node.names}
            else:
                names.add(beside + (node.module or ""))
    return names


def parsed(path: Path) -> ast.Module:
    return ast.parse((PACKAGE.parent / path).read_text(encoding="utf-8"))


def rooms_of(names: set[str]) -> set[str]:
    """The rooms among imported modules."""
    return {name.split(".")[1] for name in names if name.startswith("vastares_ros.")} & set(ROOMS)


@pytest.mark.parametrize("path", [m for m in MODULES if len(m.parts) > 2], ids=str)
def test_imports_only_point_down(path):
    room = path.parts[1]
    names = imported(parsed(path), ".".join(path.parts[:-1]))
    for other in rooms_of(names):
        assert ROOMS.index(other) <= ROOMS.index(room), f"{path} imports {other}"
    if room == "nodes":
        allowed = {"vastares_ros.training.config"} if path.name == "training.py" else set()
        assert not rooms_of(names - allowed) & set(NOT_OF_NODES), f"{path} imports {names}"


@pytest.mark.parametrize("path", [m for m in MODULES if m.parts[1] == "cli"], ids=str)
def test_verbs_import_nodes_only_inside_functions(path):
    tree = parsed(path)
    inside = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    outside = ast.Module(
        [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom) and id(n) not in inside], []
    )
    assert "nodes" not in rooms_of(imported(outside, "vastares_ros.cli"))


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
