"""One served version of a custom resource: prune, default, validate, publish.

Owns the order in which the server treats an object; each step has its own module. The API server
calls ``prune`` then ``default`` on what it decodes, ``default`` on what it reads, and ``validate``
before it stores.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollouts.kube.api import Obj
from rollouts.sandbox.crd import causes, openapi, shape
from rollouts.sandbox.crd.causes import NOWHERE, Cause
from rollouts.sandbox.crd.embedded import check_embedded
from rollouts.sandbox.crd.node import MISSING, Node
from rollouts.sandbox.crd.uniqueness import check_unique
from rollouts.sandbox.crd.validate import check


@dataclass(frozen=True, slots=True)
class PrinterColumn:
    """A column of ``kubectl get``. ``path`` is a JSONPath without braces; priority 0 is shown."""

    name: str
    type: str
    path: str
    format: str = ""
    description: str = ""
    priority: int = 0


DEFAULT_COLUMNS = (PrinterColumn("Age", "date", ".metadata.creationTimestamp"),)


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where the scale subresource finds its fields, as dotted paths such as ``.spec.replicas``."""

    spec_replicas: str
    status_replicas: str
    label_selector: str = ""


@dataclass(frozen=True, slots=True)
class VersionSchema:
    """One version of a custom type. ``types`` is what rules see; None when there are no rules."""

    name: str
    group: str
    kind: str
    served: bool
    storage: bool
    node: Node
    types: Any = None
    columns: tuple[PrinterColumn, ...] = DEFAULT_COLUMNS
    status: bool = False
    scale: ScalePaths | None = None
    selectable: tuple[str, ...] = ()
    deprecation: str = ""

    def prune(self, obj: Obj, path: str = "") -> list[str]:
        """Removes unknown fields in place; returns their paths, such as ``spec.foo``, sorted."""
        unknown: list[str] = []
        shape.prune(obj, self.node, path, unknown, root=True)
        return sorted(unknown)

    def default(self, obj: Obj) -> None:
        """Drops nulls the schema does not allow and fills in defaults, in place."""
        shape.drop_nulls(obj, self.node)
        shape.fill(obj, self.node)

    def validate(self, obj: Obj, old: Obj | None = None) -> list[Cause]:
        """What is wrong with an object, or with its update from ``old``; never raises.

        What an update leaves as it was is not held against it.
        """
        out: list[Cause] = []
        before = MISSING if old is None else old
        try:
            check(obj, self.node, "", out, before)
            self._check_resources(obj, before, out)
            if self.node.has_rules:
                from rollouts.sandbox.crd.evaluation import Evaluation

                Evaluation(self.types, out).run(obj, before, self.node)
        except RecursionError:
            out.append(causes.invalid_unshown(NOWHERE, "the object is nested too deeply"))
        return list(dict.fromkeys(out))

    def _check_resources(self, obj: Obj, old: Any, out: list[Cause]) -> None:
        """Embedded resources and unique lists; an object that was wrong before may stay so."""
        for checks in (check_embedded, check_unique):
            found: list[Cause] = []
            checks(obj, self.node, "", found)
            if found and old is not MISSING:
                earlier: list[Cause] = []
                checks(old, self.node, "", earlier)
                found = [] if earlier else found
            out.extend(found)

    def openapi(self, object_meta: str = openapi.OBJECT_META) -> Obj:
        """The schema as published: with apiVersion, kind, metadata and the GVK it is for.

        ``object_meta``: the name that the schema of ``metadata`` has beside it.
        """
        return openapi.publish(self.node.raw, self.group, self.name, self.kind, object_meta)

    def field(self, obj: Obj, path: str) -> Any:
        """The value at a dotted path such as ``.spec.replicas``, or None."""
        value: Any = obj
        for step in path.strip(".").split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        return value
