"""The seam between deciding a traffic split and the objects that carry it.

A Router knows one kind of router: which objects it works on, how they read for a split, and whether
the split is in force. It decides nothing and sends nothing: the planner says which split, the
controller fetches the objects and makes the changes. Pure; implemented by the other modules of this
package, chosen by ``traffic.registry``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from rollouts.api.fielderror import FieldError
from rollouts.api.steps import SetHeaderRoute, SetMirrorRoute
from rollouts.kube.resources import Resource

Obj: TypeAlias = dict[str, Any]
ManagedRoute: TypeAlias = SetHeaderRoute | SetMirrorRoute


@dataclass(frozen=True, slots=True)
class Ref:
    """One object by its address; an empty namespace means a cluster-scoped one."""

    resource: Resource
    namespace: str
    name: str


Objects: TypeAlias = Mapping[Ref, Obj]
"""What exists of the objects asked for."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a share of the traffic goes; ``weight`` out of the split's ``max_weight``."""

    service: str
    pod_hash: str
    weight: int


@dataclass(frozen=True, slots=True)
class Split:
    """How all traffic is shared out; the weights add up to ``max_weight``."""

    canary: Destination
    stable: Destination
    additional: tuple[Destination, ...] = ()
    max_weight: int = 100


@dataclass(frozen=True, slots=True)
class Change:
    """A JSON merge patch of an object that exists; the whole object where it does not yet."""

    ref: Ref
    body: Obj


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a kind of router can do beyond splitting between two destinations by percentage."""

    header_routes: bool = False
    mirror_routes: bool = False
    additional: bool = False
    max_weight: bool = False


class RoutingError(Exception):
    """The router's objects cannot be brought to a split as they are; the message says why."""


class Router(Protocol):
    """One configured router of one Rollout."""

    @property
    def name(self) -> str:
        """As users know it, for messages."""

    @property
    def abilities(self) -> Abilities:
        """What it can do."""

    @property
    def refs(self) -> tuple[Ref, ...]:
        """The objects it reads and changes."""

    def check(self, objects: Objects) -> FieldError | None:
        """What is wrong with its settings or its objects, if anything."""

    def weight(self, objects: Objects) -> int | None:
        """The canary's weight as the objects say it now; None where they say nothing."""

    def additional(self, objects: Objects) -> Mapping[str, int]:
        """The weights of further Services, by name, as the objects say them now."""

    def desired(
        self, split: Split, routes: tuple[ManagedRoute, ...], objects: Objects
    ) -> tuple[Change, ...]:
        """The changes that make the objects say ``split``; none when they do.

        ``routes``: the managed routes in force, in order of precedence; others that are managed are
        removed. Raises RoutingError.
        """

    def verify(self, split: Split, objects: Objects) -> bool | None:
        """Whether traffic is seen to flow like that; None when the router cannot tell."""
