"""Environments of other people's packages, each played by a confined process of its own."""
