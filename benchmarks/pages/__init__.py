"""Pages, polls and sweeps on a site with a long history; `python -m benchmarks.pages --help`."""
