"""Samples, filters, windows, robot description, physics. Knows numpy, scipy, pinocchio; no files, no ROS, no torch."""
