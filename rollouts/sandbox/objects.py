"""Small facts about any Kubernetes object: copies, names, times, owners.

Pure helpers without rules of any kind in particular. Used all over the sandbox's API server.
"""

import random
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from rollouts.kube.api import Obj

SAFE_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_LONGEST_BASE: Final = 63 - 5


def copied(value: Any) -> Any:
    """A private deep copy of JSON data (a round trip beats copy.deepcopy several times)."""
    return orjson.loads(orjson.dumps(value))


def meta(obj: Obj) -> Obj:
    """The object's metadata, never None; a missing one is not added."""
    return obj.get("metadata") or {}


def generated_name(base: str, rng: random.Random) -> str:
    """Five random characters after the base, cut so that the result is a valid label."""
    return base[:_LONGEST_BASE] + "".join(rng.choices(SAFE_ALPHABET, k=5))


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as the API's second-granular time."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def controller_of(obj: Obj) -> Obj | None:
    """The owner reference marked as controller."""
    for owner in meta(obj).get("ownerReferences") or []:
        if owner.get("controller"):
            return dict(owner)
    return None


def group_of(api_version: str) -> str:
    """``apps`` of ``apps/v1``; "" for the core group."""
    return api_version.rpartition("/")[0]


def dig(obj: Any, *path: str) -> Any:
    """The value at a path of keys, or None where the path ends early."""
    for step in path:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(step)
    return obj
