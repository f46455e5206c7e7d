"""What a provider is built from.

Owns the shape of a provider's factory; built-in providers and those of other packages are made the
same way, once per process. Used by the registry and by every provider.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from analysis.providers.base import MetricProvider, Now
from analysis.providers.http import HttpClient


@dataclass(frozen=True, slots=True)
class Tools:
    """``http`` keeps to the address policy; ``environ`` is the controller's environment."""

    http: HttpClient
    now: Now
    environ: Mapping[str, str]


Factory: TypeAlias = Callable[[Tools], MetricProvider]
