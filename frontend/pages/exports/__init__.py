"""Pages of datasets: building them, and their files."""
