"""Rules of packing and of the model that learns."""
