"""Whether farming pays."""
