"""Judges that learn: data, training, gate and certification, from labels to a version that votes."""
