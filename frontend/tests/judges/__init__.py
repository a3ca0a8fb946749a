"""Pages about judges."""
