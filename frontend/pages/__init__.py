"""Edges: parse, call one verb, render."""
