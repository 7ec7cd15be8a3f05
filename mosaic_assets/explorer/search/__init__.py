"""Searching scenes of all data sets by place and time."""
