"""The colour library: biomes, centroids, harvest rounds, their merge, coverage and its steering."""
