"""What pictures of chips have in common: colours, hatching, and the line that says whose they are.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; splits differ in hatching as well.
"""

from __future__ import annotations

SPLIT_COLOURS = {"train": "#0072B2", "validation": "#E69F00", "test": "#CC3311"}
SPLIT_HATCHES = {"train": "", "validation": "....", "test": "////"}
OTHER_SPLIT = ("#888888", "xxxx")
CLASS_COLOURS = ("#F0E442", "#56B4E9", "#CC79A7", "#009E73", "#E69F00", "#D55E00", "#0072B2")
"""Of classes 1, 2, ...; begun anew after the last."""


def class_colour(value: int) -> str:
    """Return the colour of a class, 1, 2, ..., as ``#RRGGBB``."""
    return CLASS_COLOURS[(value - 1) % len(CLASS_COLOURS)]


def split_style(split: str) -> tuple[str, str]:
    """Return colour and hatching of a split."""
    if split in SPLIT_COLOURS:
        return SPLIT_COLOURS[split], SPLIT_HATCHES[split]
    return OTHER_SPLIT


def signature_of(attribution: str, synthetic: bool) -> str:
    """Return what stands on every picture: that it is synthetic, and who is to be named."""
    return ". ".join(
        part for part in ("SYNTHETIC: made-up imagery or labels" if synthetic else "", attribution) if part
    )
