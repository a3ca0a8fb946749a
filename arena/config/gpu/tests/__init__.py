"""Rules of choosing GPUs and sharing their memory, from what nvidia-smi answers."""
