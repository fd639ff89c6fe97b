# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Play a bag through the estimator, and record what it says: `ros2 launch vastares_ros replay.launch.py bag:=BAG
bundle:=FOLDER output:=FOLDER`.

`ros2 bag` plays and records where it is installed. Elsewhere, and for ROS 1 bags, `play` publishes the bag, and
`replay`, whose numbers are those of the live node, writes the output afterwards.
"""

from importlib.util import find_spec
from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import matches_action
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import ExecutableInPackage
from lifecycle_msgs.msg import Transition

from vastares_ros.nodes.interfaces import ESTIMATOR

SHARE = Path(__file__).resolve().parents[1]
DISCOVERY = "3"  # seconds in which estimator, player and recorder find each other
REST = 2.0  # seconds that the estimator and the recorder have for the last messages
ARGUMENTS = {
    "bag": (None, "Recording: a rosbag2 folder, .mcap, .db3 or ROS 1 .bag. Required."),
    "bundle": (None, "Folder of the trained bundle. Required."),
    "output": ("", "Folder for a bag of input and output. It must not exist yet. Empty: none is written."),
    "namespace": ("", "Namespace of the estimator."),
    "joint_states": ("/joint_states", "Topic in the bag."),
    "rate": ("1.0", "Playback speed, as a multiple of the recorded one."),
    "urdf": ("", next(p.description for p in ESTIMATOR.parameters if p.name == "urdf")),
    "params_file": (str(SHARE / "config" / "estimator.yaml"), "File of parameters of the estimator."),
    "use_sim_time": (
        "false",
        "If true, time comes from /clock, which ros2 bag publishes.",
    ),
}


def generate_launch_description() -> LaunchDescription:
    """The estimator, a player and a recorder, and their arguments."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=_replay)])


def _replay(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    estimator = LifecycleNode(
        package="vastares_ros",
        executable="estimator",
        name="estimator",
        namespace=given["namespace"],
        parameters=[
            given["params_file"],
            {
                "bundle": ParameterValue(LaunchConfiguration("bundle"), value_type=str),
                "use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool),
                "autostart": False,  # so that the bag waits for it
            },
            *([{"urdf": ParameterValue(LaunchConfiguration("urdf"), value_type=str)}] if given["urdf"] else []),
        ],
        remappings=[("joint_states", given["joint_states"])],
        output="screen",
    )
    bagged = find_spec("ros2bag") and Path(given["bag"]).suffix != ".bag"
    player, recorder, writer = _with_ros2_bag(given) if bagged else _without_ros2_bag(given)
    end = Shutdown(reason="the replay is over")

    def ask(transition: int) -> EmitEvent:
        return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches_action(estimator), transition_id=transition))

    def when(start: str, goal: str, *then: LaunchDescriptionEntity) -> RegisterEventHandler:
        return RegisterEventHandler(
            OnStateTransition(target_lifecycle_node=estimator, start_state=start, goal_state=goal, entities=list(then))
        )

    def after(process: ExecuteProcess, *then: LaunchDescriptionEntity) -> RegisterEventHandler:
        def on_exit(event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity]:
            if context.is_shutdown:
                return []
            return [end] if event.returncode else list(then)

        return RegisterEventHandler(OnProcessExit(target_action=process, on_exit=on_exit))

    return [
        when("configuring", "inactive", ask(Transition.TRANSITION_ACTIVATE)),
        when("configuring", "unconfigured", Shutdown(reason="the estimator cannot be configured: it says why")),
        when("activating", "active", *recorder, player),
        after(player, TimerAction(period=REST, actions=writer or [end])),
        *(after(process, end) for process in writer),
        after(estimator, end),
        estimator,
        ask(Transition.TRANSITION_CONFIGURE),
    ]


Processes = tuple[ExecuteProcess, list[ExecuteProcess], list[ExecuteProcess]]  # player, recorder, writer afterwards


def _with_ros2_bag(given: dict[str, str]) -> Processes:
    topic = given["joint_states"]
    play = ["ros2", "bag", "play", given["bag"], "--topics", topic, "--rate", given["rate"], "--delay", DISCOVERY]
    player = ExecuteProcess(cmd=[*play, *(["--clock"] if given["use_sim_time"] == "true" else [])], output="screen")
    of_node = "/".join(["", *filter(None, given["namespace"].split("/")), "estimator"])
    record = ["ros2", "bag", "record", "--output", given["output"], "--regex", f"^({topic}|{of_node}/.*|/diagnostics)$"]
    return player, [ExecuteProcess(cmd=record, output="screen")] if given["output"] else [], []


def _without_ros2_bag(given: dict[str, str]) -> Processes:
    bag = [given["bag"], "--topic", given["joint_states"]]
    player = _verb("play", *bag, "--rate", given["rate"], "--wait", "30")
    if not given["output"]:
        return player, [], []
    output = Path(given["output"])
    file = str(output / f"{output.name}_0.mcap")  # as ros2 bag would name it
    urdf = ["--urdf", given["urdf"]] if given["urdf"] else []
    return player, [], [_verb("replay", given["bundle"], *bag, "--output", file, *urdf)]


def _verb(verb: str, *arguments: str) -> ExecuteProcess:
    return ExecuteProcess(cmd=[ExecutableInPackage(verb, "vastares_ros"), *arguments], output="screen")
