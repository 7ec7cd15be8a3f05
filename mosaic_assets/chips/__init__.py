"""Labelled chips for training: regions, split, grid, labels."""
