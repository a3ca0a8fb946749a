"""The servers that judges' models run on: their rows, their keys, what they cost."""
