"""What a run learns from: pairs, groups, curation, the dataset and its provenance."""
