"""Rollouts as the caches hold them, decoded once.

Owns the newest decoded version of every cached Rollout, shared by the indexes, the mapping of
changes to keys, and the gathering of Worlds: one change would otherwise be decoded eight times.
Owns, too, the newest version whose status says that its spec was acted upon: after a change it
tells what was there before. Refuses to look anything up. Called with objects of the Rollouts'
store.
"""

from rollouts.api.rollout import Rollout
from rollouts.kube.api import Obj
from rollouts.kube.store import ObjectKey, key_of, version_number
from rollouts.planner.takeover import acted_upon


class RolloutReader:
    """As many Rollouts as there are in the cache; ``forget`` those that are gone."""

    def __init__(self) -> None:
        self._newest: dict[ObjectKey, Rollout] = {}
        self._witnesses: dict[ObjectKey, Rollout] = {}

    def read(self, obj: Obj) -> Rollout:
        """``obj`` decoded. An object is the same only when it is identical: versions may repeat."""
        key = key_of(obj)
        known = self._newest.get(key)
        if known is not None and known.raw is obj:
            return known
        read = Rollout.decode(obj) if known is None else known.followed_by(obj)
        # What a change was before is asked for after what it is.
        if known is None or not _older(obj, known.raw):
            self._newest[key] = read
            if acted_upon(read):
                self._witnesses[key] = read
        return read

    def witness(self, key: ObjectKey) -> Rollout | None:
        """The newest version seen that was acted upon; it may be of a namesake that is gone."""
        return self._witnesses.get(key)

    def forget(self, key: ObjectKey) -> None:
        """The Rollout is gone."""
        self._newest.pop(key, None)
        self._witnesses.pop(key, None)


def _older(obj: Obj, than: Obj) -> bool:
    one, other = (version_number(each["metadata"].get("resourceVersion")) for each in (obj, than))
    return one is not None and other is not None and one < other
