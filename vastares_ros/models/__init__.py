"""The network of [1] and the baselines beside it. Knows torch; no files, no ROS, no training loop."""
