"""How assets are divided."""

import dagster as dg

biome_partitions = dg.DynamicPartitionsDefinition(name="biomes")
"""One partition a biome. Dynamic, because users add biomes in their settings, and loading the code location reads
nothing; the coverage sensor, the asset `biomes` and `mosaic up` add the keys. A run is one round of one biome: rounds
are not a second dimension, or every re-run would be a new key for ever."""

batch_partitions = dg.DynamicPartitionsDefinition(name="scene_batches")
"""One partition a batch of 100 to 300 scenes, `scenes-<take>-<number>`: names sort in the order in which scenes came,
which is the order of their turn. The asset `scene_inbox` and the inbox sensor add the keys."""
