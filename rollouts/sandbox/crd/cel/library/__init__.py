"""The functions a rule may call: the language's standard ones and those Kubernetes adds.

Each module owns one subject and declares its functions in a ``Library``; here they become one.
"""

from typing import Final

from rollouts.sandbox.crd.cel.library import (
    conversions,
    lists,
    network,
    optionals,
    quantities,
    text,
    times,
    urls,
)
from rollouts.sandbox.crd.cel.signatures import Library


def _all() -> Library:
    library = Library()
    for module in (conversions, lists, network, optionals, quantities, text, times, urls):
        library.include(module.LIBRARY)
    return library


LIBRARY: Final = _all()
