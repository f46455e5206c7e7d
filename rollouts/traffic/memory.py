"""A router that only remembers: the split is kept in a ConfigMap, and no traffic moves.

For tests, the sandbox and for trying a manifest without a mesh. Configured as
``trafficRouting.plugins: {"rollouts/memory": {"configMap": NAME}}``. Whoever plays the data plane
writes the canary's weight it obeys to the key ``inEffect``, and what it obeys of ``additional`` to
``inEffect.additional``; without the first key nothing is verified.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from rollouts.api.fielderror import FieldError
from rollouts.kube.patches import merge_diff
from rollouts.kube.resources import CONFIG_MAPS
from rollouts.traffic.router import (
    Abilities,
    Change,
    Destination,
    ManagedRoute,
    Objects,
    Ref,
    RoutingError,
    Split,
)

NAME: Final = "rollouts/memory"
IN_EFFECT: Final = "inEffect"
WEIGHT: Final = "canary.weight"
ADDITIONAL: Final = "additional"
ADDITIONAL_IN_EFFECT: Final = "inEffect.additional"
_ROUTES: Final = "routes"
_OURS: Final = frozenset(
    {f"{side}.{part}" for side in ("canary", "stable") for part in ("weight", "service", "hash")}
    | {ADDITIONAL, _ROUTES}
)


@dataclass(frozen=True, slots=True)
class MemoryRouter:
    """One ConfigMap; ``path`` is where the Rollout's spec names it."""

    namespace: str
    config_map: str
    path: str

    @classmethod
    def of(cls, settings: Any, namespace: str, path: str) -> "MemoryRouter":
        """From the settings as users wrote them; what cannot be read is told by ``check``."""
        found = settings.get("configMap") if isinstance(settings, dict) else None
        name = found if isinstance(found, str) else ""
        return cls(namespace, name, f"{path}.configMap")

    @property
    def name(self) -> str:
        return NAME

    @property
    def abilities(self) -> Abilities:
        return Abilities(header_routes=True, mirror_routes=True, additional=True, max_weight=True)

    @property
    def ref(self) -> Ref:
        """The ConfigMap."""
        return Ref(CONFIG_MAPS, self.namespace, self.config_map)

    @property
    def refs(self) -> tuple[Ref, ...]:
        return (self.ref,) if self.config_map else ()

    def check(self, objects: Objects) -> FieldError | None:
        if not self.config_map:
            return FieldError.required(self.path, "name the ConfigMap that keeps the split")
        if self.ref not in objects:
            text = f'ConfigMap "{self.config_map}" not found'
            return FieldError.invalid(self.path, self.config_map, text)
        return None

    def weight(self, objects: Objects) -> int | None:
        written = self._data(objects).get(WEIGHT, "")
        return int(written) if written.isascii() and written.isdigit() else None

    def additional(self, objects: Objects) -> Mapping[str, int]:
        shares = self._data(objects).get(ADDITIONAL, "").split(",")
        pairs = (share.partition("=") for share in shares)
        return {name: int(weight) for name, _, weight in pairs if weight.isdecimal()}

    def desired(
        self, split: Split, routes: tuple[ManagedRoute, ...], objects: Objects
    ) -> tuple[Change, ...]:
        present = {k: v for k, v in self._data(objects).items() if k in _OURS}
        patch = merge_diff(present, _written(split, routes))
        if not patch:
            return ()
        if objects[self.ref].get("immutable"):
            raise RoutingError(f'ConfigMap "{self.config_map}" is immutable: replace it')
        return (Change(self.ref, {"data": patch}),)

    def verify(self, split: Split, objects: Objects) -> bool | None:
        data = self._data(objects)
        if IN_EFFECT not in data:
            return None
        weight = str(split.canary.weight)
        if ADDITIONAL_IN_EFFECT in data:
            wanted = _shares(split)
            if not data[ADDITIONAL_IN_EFFECT] == wanted == data.get(ADDITIONAL, ""):
                return False
        return data[IN_EFFECT] == weight == data.get(WEIGHT)

    def _data(self, objects: Objects) -> dict[str, str]:
        found: dict[str, str] = objects.get(self.ref, {}).get("data") or {}
        return found


def _written(split: Split, routes: tuple[ManagedRoute, ...]) -> dict[str, str]:
    data = _side("canary", split.canary) | _side("stable", split.stable)
    if split.additional:
        data[ADDITIONAL] = _shares(split)
    if routes:
        data[_ROUTES] = orjson.dumps([route.to_wire() for route in routes]).decode()
    return data


def _shares(split: Split) -> str:
    return ",".join(f"{each.service}={each.weight}" for each in split.additional)


def _side(side: str, to: Destination) -> dict[str, str]:
    return {
        f"{side}.weight": str(to.weight),
        f"{side}.service": to.service,
        f"{side}.hash": to.pod_hash,
    }
