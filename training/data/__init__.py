"""What a run learns from: pairs, groups, curation, the dataset and where each example comes from."""
