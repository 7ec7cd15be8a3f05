"""The three challenges on OLCI pictures: find the clouds, remove the noise, compress. Honest baselines, and room for yours.

Register a method with one decorated function, name its module in the setting ``scenes.challenge_methods``, and every
table, plot and check has it::

    from mosaic_assets.scenes.challenges import cloud_method

    @cloud_method("very_bright")
    def very_bright(scene):
        return scene.rgb.min(axis=2) > 200
"""

from mosaic_assets.scenes.challenges.records import CloudScene, Degraded
from mosaic_assets.scenes.challenges.registry import cloud_method, codec, denoiser, restored

__all__ = ["CloudScene", "Degraded", "cloud_method", "codec", "denoiser", "restored"]
