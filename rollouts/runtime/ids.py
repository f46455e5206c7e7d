"""Names and identities made up by the process, as functions that are passed around.

Owns the only ways to invent a name; each takes the random source, so that a run repeats.
"""

import random
import uuid
from collections.abc import Callable
from typing import Final, TypeAlias

IdFactory: TypeAlias = Callable[[], str]

# No vowels and no look-alikes, so that a suffix never spells a word.
_SAFE: Final = "bcdfghjklmnpqrstvwxz2456789"


def hex_ids(rng: random.Random, digits: int = 16) -> IdFactory:
    """Lower-case hexadecimal ids of ``digits`` characters."""
    return lambda: f"{rng.getrandbits(4 * digits):0{digits}x}"


def suffixes(rng: random.Random, length: int = 5) -> IdFactory:
    """Suffixes as generateName makes them."""
    return lambda: "".join(rng.choices(_SAFE, k=length))


def uuids(rng: random.Random) -> IdFactory:
    """Random UUIDs (version 4)."""
    return lambda: str(uuid.UUID(int=rng.getrandbits(128), version=4))
