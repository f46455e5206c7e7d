"""The garbage collector, kept from stalling the event loop.

A full collection walks everything cached: over 100 ms with some thousand objects. Owns the
thresholds and the moment when what is cached stops being walked. Called by the controller's
command around the first list.
"""

import gc
from typing import Final

_THRESHOLDS: Final = (50_000, 20, 100)  # allocations per collection, and of the two older ones


def before_sync() -> None:
    """Collect rarely while the caches fill: nothing of what comes in is garbage."""
    gc.set_threshold(*_THRESHOLDS)
    gc.freeze()  # modules and their like, for good


def after_sync() -> None:
    """Walk everything once, then never again what has survived."""
    gc.collect()
    gc.freeze()
