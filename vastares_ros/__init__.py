"""External torque sensing for any arm with `/joint_states`, learned from its own bags."""

__version__ = "0.2.0"
