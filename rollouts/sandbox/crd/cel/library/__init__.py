"""The functions a rule may call: the language's standard ones and those Kubernetes adds.

Each module owns one subject and declares its functions in a ``Library``; here they become one.
"""

from typing import Final

from rollouts.sandbox.crd.cel.library import (
    conversions,
    formats,
    lists,
    network,
    optionals,
    quantities,
    semver,
    text,
    times,
    urls,
)
from rollouts.sandbox.crd.cel.signatures import Library

_MODULES: Final = (
    conversions,
    formats,
    lists,
    network,
    optionals,
    quantities,
    semver,
    text,
    times,
    urls,
)


def _all() -> Library:
    library = Library()
    for module in _MODULES:
        library.include(module.LIBRARY)
    return library


LIBRARY: Final = _all()
