"""What runs a trained model: the bundle's contents and the estimator. Knows models; no files, no ROS."""
