"""Bags, datasets, bundles and reports on disk. Imports no rclpy."""
