"""Is a machine's GPU used well? `make gpu-check`, and the proof of identity that it rests on."""
