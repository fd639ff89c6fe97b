# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""See a robot's torques and contacts in RViz and PlotJuggler: `ros2 launch vastares_ros monitor.launch.py
bundle:=FOLDER`.

Each gets a layout for exactly the joints of the bundle, from `layout`, and each can be left out. They show what runs
already: the robot's driver with robot_state_publisher, and the estimator.
"""

import shutil
import tempfile
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, ExecuteProcess, LogInfo, OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.substitutions import ExecutableInPackage

ARGUMENTS = {
    "bundle": (None, "Folder of the bundle that the estimator uses. Required."),
    "namespace": ("", "Namespace of the robot and its estimator."),
    "rviz": ("true", "If false, RViz is not started."),
    "plotjuggler": ("true", "If false, PlotJuggler is not started."),
    "fixed_frame": ("", "Fixed frame of RViz. Empty: the base of the robot."),
    "use_sim_time": ("false", "If true, RViz takes time from /clock."),
}


def generate_launch_description() -> LaunchDescription:
    """RViz, PlotJuggler and their arguments."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=_viewers)])


def _viewers(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    folder = Path(tempfile.mkdtemp(prefix="vastares_monitor_"))
    options = [given["bundle"], "--namespace", given["namespace"]]
    frame = ["--fixed-frame", given["fixed_frame"]] if given["fixed_frame"] else []
    clock = ["--ros-args", "-p", f"use_sim_time:={given['use_sim_time']}"]
    rviz, xml = str(folder / "estimator.rviz"), str(folder / "estimator.xml")
    viewers = {
        "rviz": ("rviz2", "rviz2", ["-o", rviz, *options, *frame], ["-d", rviz, *clock]),
        "plotjuggler": ("plotjuggler", "plotjuggler-ros", ["-o", xml, *options], ["--layout", xml]),
    }
    return [entity for name in viewers if given[name] != "false" for entity in _viewer(name, *viewers[name])]


def _viewer(
    name: str, program: str, package: str, layout: list[str], arguments: list[str]
) -> list[LaunchDescriptionEntity]:
    """Write a layout, and then start the program that shows it."""
    path = _path(program)
    if not path:
        install = f"sudo apt install ros-$ROS_DISTRO-{package}, or leave it out by {name}:=false"
        return [LogInfo(msg=f"{program} is not installed, so it is not started: {install}")]
    write = ExecuteProcess(cmd=[ExecutableInPackage("layout", "vastares_ros"), name, *layout], output="screen")
    show = ExecuteProcess(cmd=[path, *arguments], output="screen")

    def on_exit(event: ProcessExited, _: LaunchContext) -> list[LaunchDescriptionEntity]:
        return [] if event.returncode else [show]  # it has said what it lacks

    return [RegisterEventHandler(OnProcessExit(target_action=write, on_exit=on_exit)), write]


def _path(program: str) -> str | None:
    if found := shutil.which(program):
        return found
    try:
        inside = Path(get_package_prefix(program), "lib", program, program)
    except PackageNotFoundError:
        return None
    return str(inside) if inside.exists() else None
