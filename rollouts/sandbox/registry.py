"""Which resource types the API server serves, and how each is addressed.

Owns the table of types and its changes (custom types come and go); knows nothing of objects.
``Registry.revision`` grows with every change, so that discovery and schemas can be cached by it.
Used by the API server, and by discovery, tables and schemas over HTTP.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rollouts.kube.errors import NotFound
from rollouts.kube.resources import Resource

if TYPE_CHECKING:
    from rollouts.sandbox.crd import CustomType

ALL_VERBS: Final = (
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
)


@dataclass(frozen=True, slots=True)
class Subresource:
    """A subresource and the type it speaks, which may differ from its parent's."""

    name: str
    group: str
    version: str
    kind: str
    verbs: tuple[str, ...] = ("get", "patch", "update")


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where a custom type keeps its replicas and selector, as paths of keys; () for no selector."""

    spec_replicas: tuple[str, ...]
    status_replicas: tuple[str, ...]
    selector: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourceInfo:
    """One served version of one type.

    ``storage`` is the version objects are kept in; types that share objects (the two kinds of
    Event) name the same one. ``since`` is the store's revision when a custom type was loaded:
    whatever was written later conforms to it.
    """

    resource: Resource
    singular: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[Subresource, ...] = ()
    generation: bool = False
    custom: "CustomType | None" = None
    storage: Resource | None = None
    list_kind: str = ""
    deprecation: str = ""
    since: int = 0
    scale: ScalePaths | None = None
    selectable: frozenset[str] = frozenset()

    @property
    def stored(self) -> Resource:
        return self.storage or self.resource

    @property
    def bucket(self) -> str:
        """Where the store keeps the objects: ``replicasets.apps``."""
        return self.stored.group_resource

    @property
    def kind_of_list(self) -> str:
        return self.list_kind or f"{self.resource.kind}List"

    def subresource(self, name: str) -> Subresource | None:
        return next((one for one in self.subresources if one.name == name), None)

    @property
    def has_status(self) -> bool:
        return self.subresource("status") is not None


@dataclass(slots=True)
class Registry:
    """Every type served now, in the order it was added (discovery shows it so)."""

    revision: int = 0
    _infos: dict[tuple[str, str, str], ResourceInfo] = field(default_factory=dict)

    def add(self, *infos: ResourceInfo) -> None:
        """Add, or replace what has the same group, version and plural."""
        for info in infos:
            key = (info.resource.group, info.resource.version, info.resource.plural)
            self._infos[key] = info
        self.revision += 1

    def remove(self, *infos: ResourceInfo) -> None:
        for info in infos:
            key = (info.resource.group, info.resource.version, info.resource.plural)
            self._infos.pop(key, None)
        self.revision += 1

    def resolve(self, group: str, version: str, plural: str) -> ResourceInfo:
        """Raises NotFound with the text clients know when the type is not served."""
        info = self._infos.get((group, version, plural))
        if info is None:
            raise NotFound("the server could not find the requested resource")
        return info

    def by_kind(self, group: str, version: str, kind: str) -> ResourceInfo | None:
        return next(
            (
                info
                for info in self._infos.values()
                if info.resource.kind == kind
                and info.resource.group == group
                and info.resource.version == version
            ),
            None,
        )

    def in_bucket(self, bucket: str) -> list[ResourceInfo]:
        """Every served version of the objects of one bucket."""
        return [info for info in self._infos.values() if info.bucket == bucket]

    def all(self) -> list[ResourceInfo]:
        return list(self._infos.values())
