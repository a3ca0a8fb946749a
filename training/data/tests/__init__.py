"""Rules of pairs, groups, curation and datasets."""
