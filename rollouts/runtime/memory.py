"""The garbage collector, kept from stalling the event loop.

A full collection walks everything cached: over 100 ms with some thousand objects. So the collector
rests while caches fill (nothing of what comes in is garbage), and what they hold by then is never
walked. Called by the controller's command around the first list.
"""

import gc
from typing import Final

_THRESHOLDS: Final = (50_000, 20, 100)  # allocations per collection, and of the two older ones


def before_sync() -> None:
    """Clean up what starting left behind, then rest."""
    gc.collect()
    gc.disable()


def after_sync() -> None:
    """Put all there is out of the collector's sight, without walking it, and go on, rarely."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    gc.enable()
