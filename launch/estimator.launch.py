"""Estimate torques live: `ros2 launch vastares_ros estimator.launch.py bundle:=FOLDER`."""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue

CONFIG = Path(__file__).resolve().parents[1] / "config"
OVERRIDES = {
    "bundle": (str, "folder of the trained bundle, required"),
    "robot": (str, "name of the robot, for example ur5e: a bundle of another is refused"),
    "urdf": (str, "URDF file for the wrench; empty: the topic robot_description, or else the robot's own"),
    "frame_prefix": (str, "put before the frame of the wrench, as by robot_state_publisher, for example left/"),
    "use_sim_time": (bool, "true: take time from /clock"),
    "autostart": (bool, "false: stay unconfigured until a lifecycle manager, or ros2 lifecycle set, says otherwise"),
}


def generate_launch_description() -> LaunchDescription:
    """The node `estimator` and its arguments."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value="", description=description)
                for name, (_, description) in OVERRIDES.items()
            ),
            DeclareLaunchArgument("namespace", default_value="", description="namespace of the node, one for each arm"),
            DeclareLaunchArgument("joint_states", default_value="joint_states", description="the robot's topic"),
            DeclareLaunchArgument(
                "params_file",
                default_value="",
                description="parameters of the node, before which go the arguments above that are not empty; empty: "
                "config/estimator/ROBOT.yaml, or config/estimator.yaml where the robot has none",
            ),
            OpaqueFunction(function=_node),
        ]
    )


def _node(context: LaunchContext) -> list[LifecycleNode]:
    overrides = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, (kind, _) in OVERRIDES.items()
        if LaunchConfiguration(name).perform(context)
    }
    return [
        LifecycleNode(
            package="vastares_ros",
            executable="estimator",
            name="estimator",
            namespace=LaunchConfiguration("namespace"),
            parameters=[_params_file(context), *([overrides] if overrides else [])],
            remappings=[("joint_states", LaunchConfiguration("joint_states"))],
            output="screen",
        )
    ]


def _params_file(context: LaunchContext) -> str:
    if given := LaunchConfiguration("params_file").perform(context):
        return given
    of_robot = CONFIG / "estimator" / f"{LaunchConfiguration('robot').perform(context)}.yaml"
    return str(of_robot if of_robot.is_file() else CONFIG / "estimator.yaml")
