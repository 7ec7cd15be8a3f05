"""The colour library: its buckets, the nearest of them to a colour, their tiles, and what covers what."""
