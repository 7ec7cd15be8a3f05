"""Sentinel-3 OLCI scenes: catalogue, screened crops, release, and the three challenges on them."""
