# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Build with colcon (ament_python) or pip; both give the same executables, launch files and config."""

import sys
from pathlib import Path

from setuptools import Distribution, find_packages, setup

sys.path.insert(0, "")  # pip does not build with the source folder on the path

from vastares_ros import __version__
from vastares_ros.cli.verbs import VERBS

NAME = "vastares_ros"
EXTRAS = {
    "ros": ["ros-jazzy-rclpy[fastrtps]", "ros-common-interfaces"],
    "physics": ["pin"],
    "report": ["matplotlib"],
    "ray": ["ray"],
    "bench": ["onnx", "onnxruntime"],
    "test": ["pytest", "pytest-cov", "pytest-xdist", "colcon-common-extensions", "mcap"],
    "docs": ["sphinx", "myst-parser", "furo"],
    "lint": ["ruff", "mypy", "types-PyYAML", "codespell"],
}


class DataToo(Distribution):
    """Installs `data_files` in editable mode too: setuptools means to, but asks for them by this name."""

    has_data = Distribution.has_data_files


def executables() -> list[str]:
    """Write one script a verb, for `ros2 run vastares_ros VERB`, and return their paths.

    As console scripts they would land on the PATH of a pip installation, where `train` or `info` shadow other programs.
    `env python3` finds the Python of an active virtual environment, which the interpreter that ran colcon may not be.
    """
    folder = Path("build", "executables")
    folder.mkdir(parents=True, exist_ok=True)
    scripts = {verb: f'["{verb}", *sys.argv[1:]]' for verb in VERBS} | {"vastares": "sys.argv[1:]"}
    for name, argv in scripts.items():
        script = folder / name
        script.write_text(
            f"#!/usr/bin/env python3\nimport sys\nfrom vastares_ros.cli.main import main\nsys.exit(main({argv}))\n"
        )
        script.chmod(0o755)
    return [str(folder / name) for name in scripts]


def tree(folder: str) -> list[tuple[str, list[str]]]:
    """Install `folder`, sub-folders included, as `share/vastares_ros/<folder>`."""
    folders = [path for path in (Path(folder), *Path(folder).rglob("*")) if path.is_dir()]
    return [(f"share/{NAME}/{path}", [str(p) for p in path.iterdir() if p.is_file()]) for path in folders]


setup(
    distclass=DataToo,
    name=NAME,
    version=__version__,
    description="External torque sensing for any arm with /joint_states, learned from its own bags",
    maintainer="vastares_ros maintainers",
    maintainer_email="maintainers@vastares.invalid",
    license="Apache-2.0",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={NAME: ["py.typed"]},
    python_requires=">=3.10",
    install_requires=[
        "numba",
        "numpy",
        "scipy",
        "scikit-learn",
        "pyyaml",
        "torch>=2.4",
        "safetensors",
        "pyarrow",
        "rosbags",
        "rich",
        "argcomplete",
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["vastares = vastares_ros.cli.main:main"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *tree("launch"),
        *tree("config"),
        (f"lib/{NAME}", executables()),
    ],
)
