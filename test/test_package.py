# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What colcon and pip install, and that package.xml says what the code needs."""

import ast
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from vastares_ros import __version__
from vastares_ros.cli.main import VERBS

ROOT = Path(__file__).parents[1]
PACKAGED = ("package.xml", "setup.py", "setup.cfg", "pyproject.toml", "resource", "launch", "config", "vastares_ros")
CONFIG_FOLDER = "from vastares_ros.io.robots import config_folder; print(config_folder())"
LAUNCH_FILES = sorted(ROOT.glob("launch/*.launch.py"))


@pytest.fixture
def source(tmp_path) -> Path:
    """A copy of what is packaged: building leaves the checkout alone."""
    folder = tmp_path / "src" / "vastares_ros"
    folder.mkdir(parents=True)
    for name in PACKAGED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    return folder


def run(*command: object, cwd: str | Path = "/", **env: object) -> str:
    """Output of a command with the Python of this test, away from the checkout: Python looks in its folder first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(part) for part in command],
        env=os.environ | {"PATH": path} | {name: str(value) for name, value in env.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=cwd,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def assert_installed(prefix: Path) -> None:
    """The marker that `ros2 pkg` looks for, the files of `share` and an executable a verb."""
    share = prefix / "share" / "vastares_ros"
    assert (prefix / "share/ament_index/resource_index/packages/vastares_ros").is_file()
    for name in ("launch", "config"):
        for file in (ROOT / name).rglob("*.*"):
            assert (share / file.relative_to(ROOT)).read_bytes() == file.read_bytes()
    assert (share / "package.xml").is_file()
    assert {path.name for path in (prefix / "lib/vastares_ros").iterdir()} == {"vastares", *VERBS}
    assert all(os.access(path, os.X_OK) for path in (prefix / "lib/vastares_ros").iterdir())


@pytest.mark.parametrize("options", [[], ["--symlink-install"]], ids=["copied", "symlinked"])
@pytest.mark.process
def test_colcon_build(source, options):
    pytest.importorskip("colcon_core", reason="colcon is not installed")
    ros = {"ROS_DISTRO": "jazzy", "ROS_VERSION": 2, "ROS_PYTHON_VERSION": 3, "AMENT_PREFIX_PATH": sys.prefix}
    workspace = source.parents[1]
    run(sys.executable, "-m", "colcon", "build", *options, cwd=workspace, **ros)

    prefix = workspace / "install" / "vastares_ros"
    assert_installed(prefix)
    executables = prefix / "lib/vastares_ros"
    sourced = ["bash", "-c", 'source "$0" && "$@"', workspace / "install/local_setup.bash"]
    assert run(*sourced, executables / "vastares", "--version") == f"vastares {__version__}\n"
    assert run(*sourced, executables / "train", "--help").startswith("usage: vastares train ")
    share = source if options else prefix / "share/vastares_ros"
    assert run(*sourced, "python3", "-c", CONFIG_FOLDER) == f"{share / 'config'}\n"


@pytest.mark.parametrize("options", [[], ["--editable"]], ids=["copied", "editable"])
@pytest.mark.process
def test_pip_install(source, tmp_path, options):
    prefix = tmp_path / "prefix"
    # --ignore-installed: without it pip removes the installation that this test runs in.
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--ignore-installed", "--prefix", prefix]
    run(sys.executable, "-m", "pip", "install", *offline, *options, source)

    assert_installed(prefix)
    assert [path.name for path in (prefix / "bin").iterdir()] == ["vastares"]
    (packages,) = prefix.glob("lib/python*/site-packages")
    modules = source if options else packages
    assert (modules / "vastares_ros").is_dir()
    assert run(prefix / "bin/vastares", "--version", PYTHONPATH=modules) == f"vastares {__version__}\n"
    assert run(prefix / "lib/vastares_ros/train", "--help", PYTHONPATH=modules).startswith("usage: vastares train ")
    share = source if options else prefix / "share/vastares_ros"
    assert run(sys.executable, "-c", CONFIG_FOLDER, PYTHONPATH=modules) == f"{share / 'config'}\n"


def test_package_xml_has_the_version_of_the_code():
    assert ElementTree.parse(ROOT / "package.xml").findtext("version") == __version__


def test_package_xml_names_every_ros_package_that_is_imported():
    depends = {element.text for element in ElementTree.parse(ROOT / "package.xml").iter("exec_depend")}
    imported = set()
    for path in (*LAUNCH_FILES, *ROOT.glob("vastares_ros/nodes/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    ros = {name for name in imported if name.endswith(("_msgs", "_srvs")) or name in ("rclpy", "launch", "launch_ros")}
    assert {"launch", "launch_ros", "rclpy"} <= ros <= depends


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_file(path):
    compile(path.read_text(), path, "exec")
    pytest.importorskip("launch_ros.actions", reason="compiled only: launch_ros is not installed")
    description = runpy.run_path(str(path))["generate_launch_description"]()
    arguments = {argument.name: argument for argument in description.get_launch_arguments()}
    assert {"bundle", "namespace", "use_sim_time"} <= set(arguments)
    assert all(argument.description for argument in arguments.values())
