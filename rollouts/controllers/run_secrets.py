"""Secrets that an AnalysisRun's arguments refer to.

Owns reading them, on demand and in the run's own namespace only; nothing is cached. Refuses names
that are no names, so a reference can never leave the namespace. Called by the run's reconciler.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Final

from analysis.spec import Argument
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import Forbidden, NotFound
from rollouts.kube.resources import SECRETS

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class SecretsMissing(Exception):
    """A Secret or a key of it is not there, or may not be read; the message names it."""


def is_secret_name(name: str) -> bool:
    """Whether a Secret may be called that; ``other-namespace/name`` and ``..`` are no names."""
    return bool(_NAME.fullmatch(name))


async def read_secrets(
    api: KubeApi, namespace: str, arguments: Sequence[Argument]
) -> dict[str, str]:
    """The Secrets' values by argument name. Raises SecretsMissing; other ApiErrors pass through."""
    found: dict[str, str] = {}
    objects: dict[str, Obj] = {}
    for argument in arguments:
        ref = argument.value_from.secret_key_ref if argument.value_from else None
        if ref is None or argument.value is not None:
            continue
        if not is_secret_name(ref.name):
            raise SecretsMissing(f"secret name '{ref.name[:64]}' is not valid")
        if ref.name not in objects:
            objects[ref.name] = await _get(api, namespace, ref.name)
        found[argument.name] = _value(objects[ref.name], namespace, ref.name, ref.key)
    return found


async def _get(api: KubeApi, namespace: str, name: str) -> Obj:
    try:
        return await api.get(SECRETS, name, namespace)
    except NotFound:
        raise SecretsMissing(f'secrets "{name}" not found in namespace {namespace}') from None
    except Forbidden as error:
        raise SecretsMissing(f'secrets "{name}" may not be read: {error.message}') from error


def _value(secret: Obj, namespace: str, name: str, key: str) -> str:
    text = (secret.get("data") or {}).get(key)
    if not isinstance(text, str):
        raise SecretsMissing(f"key '{key}' does not exist in secret '{namespace}/{name}'")
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise SecretsMissing(f"key '{key}' of secret '{namespace}/{name}' is not text") from None
