"""Tables, pictures, pages and layouts. Knows how figures look; not how they are computed, no ROS."""
