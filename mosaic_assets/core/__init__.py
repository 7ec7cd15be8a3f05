"""Pure functions and records that every domain shares: grids, colour, hashes, geometry."""
