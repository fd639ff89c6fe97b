"""The only room that speaks ROS: message conversion is pure functions; a node is subscribe, step, publish."""
