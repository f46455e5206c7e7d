"""What each built-in kind adds to the common pipeline: a table of small functions.

Owns nothing itself: defaults, validation and creation hooks live in their own modules; this table
says which kind uses which. Custom types have none of it. Read by the write pipeline.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from rollouts.kube.api import Obj
from rollouts.sandbox.causes import CauseLike
from rollouts.sandbox.core import Core
from rollouts.sandbox.registry import ResourceInfo


def _nothing(_: Obj) -> None:
    return None


def _no_causes(_: Obj) -> list[CauseLike]:
    return []


def _no_changes(_: Obj, __: Obj) -> list[CauseLike]:
    return []


def _no_hook(_: Core, __: Obj) -> None:
    return None


def _no_update(_: Obj, __: Obj) -> None:
    return None


def _no_warnings(_: Obj) -> list[str]:
    return []


@dataclass(frozen=True, slots=True)
class Strategy:
    """``unconditional``: an update may leave out the resourceVersion."""

    default: Callable[[Obj], None] = _nothing
    validate: Callable[[Obj], list[CauseLike]] = _no_causes
    validate_update: Callable[[Obj, Obj], list[CauseLike]] = _no_changes
    on_create: Callable[[Core, Obj], None] = _no_hook
    on_update: Callable[[Obj, Obj], None] = _no_update
    warnings: Callable[[Obj], list[str]] = _no_warnings
    unconditional: bool = True


_PLAIN: Final = Strategy()
STRATEGIES: Final[Mapping[str, Strategy]] = {}


def strategy_of(info: ResourceInfo) -> Strategy:
    if info.custom is not None:
        return _PLAIN
    return STRATEGIES.get(info.bucket, _PLAIN)
