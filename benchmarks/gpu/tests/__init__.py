"""What decides is tested without a GPU."""
