"""The web page: shows the fleet, and turns clicks into pushes. Holds no rules and no truth."""
