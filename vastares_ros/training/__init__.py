"""The training loop and the figures. Knows torch and datasets; no ROS."""
