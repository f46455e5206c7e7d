"""Secrets that metric providers look up by themselves.

Owns which ones they get: any beside the run, whose author may use them anyway; beside the
controller only the one a provider is documented to use, or one whose label says that metrics may
use it, since whoever writes a template chooses the name and is somebody else than the Secret's
owner. Read on demand, nothing is kept. Used by the run's reconciler, for every measurement.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from analysis.providers.base import ProviderError
from rollouts.api.labels import METRIC_CREDENTIALS
from rollouts.controllers.run_secrets import is_secret_name
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import Forbidden, NotFound
from rollouts.kube.resources import SECRETS


@dataclass(frozen=True, slots=True)
class ClusterSecrets:
    """``namespace``: of the run. ``home``: of the controller.

    Raises ProviderError for what is not there or may not be used; other ApiErrors pass through.
    """

    api: KubeApi = field(repr=False)
    namespace: str
    home: str

    async def of_run(self, name: str) -> Mapping[str, str]:
        return _texts(await self._get(self.namespace, name))

    async def of_controller(self, name: str, usual: str) -> Mapping[str, str]:
        secret = await self._get(self.home, name)
        labels = secret["metadata"].get("labels") or {}
        if name != usual and labels.get(METRIC_CREDENTIALS) != "true":
            raise ProviderError(
                f"secret '{self.home}/{name}' is not for metrics: who may change it can allow that "
                f"with the label {METRIC_CREDENTIALS}=true; without it only '{usual}' is used"
            )
        return _texts(secret)

    async def _get(self, namespace: str, name: str) -> Obj:
        if not is_secret_name(name):
            raise ProviderError(f"secret name '{name[:64]}' is not valid")
        try:
            return await self.api.get(SECRETS, name, namespace)
        except NotFound:
            raise ProviderError(f"secret '{namespace}/{name}' not found") from None
        except Forbidden as error:
            raise ProviderError(
                f"secret '{namespace}/{name}' may not be read: {error.message}"
            ) from error


def _texts(secret: Obj) -> dict[str, str]:
    """What is text in it, decoded."""
    found = {}
    for key, encoded in (secret.get("data") or {}).items():
        try:
            found[key] = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, TypeError, ValueError):
            continue
    return found
