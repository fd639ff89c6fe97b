"""Rigid-body dynamics, friction, and what follows from them. Knows numpy and pinocchio; no files, no ROS, no torch."""
