"""Record and train: `ros2 launch vastares_ros training.launch.py dataset:=FOLDER bundle:=FOLDER robot:=ur5e`."""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue

SHARE = Path(__file__).resolve().parents[1]
OVERRIDES = {
    "dataset": (str, "folder that recordings are added to, required"),
    "bundle": (str, "folder that training writes; it must not exist yet"),
    "robot": (str, "name, for example ur5e, or YAML file of the robot: its joints, and what effort means"),
    "contact_topic": (str, "topic ~/contact of an estimator, for example /estimator/contact: contact is not recorded"),
    "estimator": (str, "estimator that is given the new bundle, for example /estimator"),
    "use_sim_time": (bool, "true: take time from /clock"),
    "autostart": (bool, "false: stay unconfigured until a lifecycle manager, or ros2 lifecycle set, says otherwise"),
}


def generate_launch_description() -> LaunchDescription:
    """The node `training` and its arguments."""
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
                default_value=str(SHARE / "config" / "training.yaml"),
                description="parameters of the node; the arguments above that are not empty go before it",
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
            executable="training",
            name="training",
            namespace=LaunchConfiguration("namespace"),
            parameters=[LaunchConfiguration("params_file"), *([overrides] if overrides else [])],
            remappings=[("joint_states", LaunchConfiguration("joint_states"))],
            output="screen",
        )
    ]
