"""The parts of kubernetes-asyncio this project uses, without the parts it does not.

Importing the package runs its ``__init__``, which imports every model of every API: some 1,200
modules, 0.4 s and 70 MB, none of which raw requests need. So the four modules wanted are imported
below stand-in parents that run no ``__init__``, and the stand-ins are taken out of ``sys.modules``
at once: whoever imports the package later gets the real one, unaware of ours. Only ``kube.client``
and ``kube.config`` use this.
"""

import functools
import importlib
import importlib.util
import sys
import types
from dataclasses import dataclass
from typing import Any, Final

_PACKAGE: Final = "kubernetes_asyncio"
# Parents whose __init__ must not run. ``models`` stays empty: only typed decoding looks there.
_PARENTS: Final = ("", ".client", ".client.models", ".config")


@dataclass(frozen=True, slots=True)
class Transport:
    """Classes and modules of the client library; untyped, as the library is."""

    RestClient: Any
    Configuration: Any
    kube_config: types.ModuleType
    incluster_config: types.ModuleType


@functools.cache
def load() -> Transport:
    """Import the library's transport and configuration; the second call is free."""
    if _PACKAGE in sys.modules:  # somebody paid already
        return _import()
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"{_PACKAGE} is not installed")
    root = spec.submodule_search_locations[0]
    try:
        for parent in _PARENTS:
            module = types.ModuleType(_PACKAGE + parent)
            module.__path__ = [root + parent.replace(".", "/")]
            sys.modules[module.__name__] = module
        client: Any = sys.modules[f"{_PACKAGE}.client"]
        for source, name in (("configuration", "Configuration"), ("api_client", "ApiClient")):
            # What the other modules import from the parent.
            setattr(
                client, name, getattr(importlib.import_module(f"{client.__name__}.{source}"), name)
            )
        return _import()
    finally:
        for name in [n for n in sys.modules if n == _PACKAGE or n.startswith(f"{_PACKAGE}.")]:
            del sys.modules[name]


def _import() -> Transport:
    client = importlib.import_module(f"{_PACKAGE}.client")
    return Transport(
        importlib.import_module(f"{_PACKAGE}.client.rest").RESTClientObject,
        client.Configuration,
        importlib.import_module(f"{_PACKAGE}.config.kube_config"),
        importlib.import_module(f"{_PACKAGE}.config.incluster_config"),
    )
