"""What a URL path of the API names: a collection, an object, or a subresource of it. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """``namespace`` is "" for every namespace, or for a type that has none."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def parse(path: str) -> Target | None:
    """None when ``path`` names no resource; a watch prefix (``/watch/``) of old is not served."""
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["api", version, *rest] if rest:
            group = ""
        case ["apis", group, version, *rest] if rest:
            pass
        case _:
            return None
    namespace = ""
    # namespaces/x/status is a subresource of the namespace, not a collection inside it.
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in {"status", "finalize"}:
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3:
        return None
    plural, name, subresource = (*rest, "", "")[:3]
    return Target(group, version, plural, namespace, name, subresource)
