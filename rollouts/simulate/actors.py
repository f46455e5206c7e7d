"""Who is acting: the cluster, a user, or one controller process.

Owns one context variable. Tasks inherit it, and the store calls its listeners in the context of
whoever writes, so every change of the store can be laid at somebody's door. Used by the runner
(which sets it) and by the invariants (which read it).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

CLUSTER: Final = "cluster"
USER: Final = "user"
CONTROLLER: Final = "controller"

_actor: ContextVar[str] = ContextVar("actor", default=CLUSTER)


def actor() -> str:
    """CLUSTER, USER, or the name of a controller process, which starts with CONTROLLER."""
    return _actor.get()


def is_controller(name: str) -> bool:
    return name.startswith(CONTROLLER)


@contextmanager
def acting_as(name: str) -> Iterator[None]:
    """Changes made inside, and tasks started inside, are ``name``'s."""
    token = _actor.set(name)
    try:
        yield
    finally:
        _actor.reset(token)
