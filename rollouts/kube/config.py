"""How to reach a cluster: kubeconfig or in-cluster, with kubectl's overriding flags.

Owns where settings come from and their precedence (flags, kubeconfig, in-cluster). Loading,
plugins, certificates and OIDC are the client library's. Used by every command that talks to a
cluster; ``Connection.reload`` is what a client calls after a 401.
"""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rollouts.kube import transport

IN_CLUSTER: Final = "in-cluster"
_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ConfigError(Exception):
    """There is no usable way to a cluster; the message says what was looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectOptions:
    """kubectl's connection flags; empty means not given."""

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    user: str = ""
    namespace: str = ""
    server: str = ""
    token: str = ""
    certificate_authority: str = ""
    client_certificate: str = ""
    client_key: str = ""
    tls_server_name: str = ""
    insecure: bool = False
    as_user: str = ""
    as_uid: str = ""
    as_groups: tuple[str, ...] = ()
    request_timeout: float = 0.0  # seconds; 0 leaves the client's own


@dataclass(frozen=True, slots=True)
class Connection:
    """A way to one cluster. ``configuration`` is the library's; ``reload`` renews it in place."""

    configuration: Any
    namespace: str
    reload: Callable[[], Awaitable[None]]
    headers: tuple[tuple[str, str], ...] = ()
    request_timeout: float = 0.0
    context: str = field(default="")

    @property
    def host(self) -> str:
        host: str = self.configuration.host
        return host


async def connect(
    options: ConnectOptions, environ: "os._Environ[str] | dict[str, str]" = os.environ
) -> Connection:
    """Find and load the settings. Nothing is sent to the cluster yet. Raises ConfigError."""
    named = environ.get("POD_NAMESPACE", "")
    return await _connected(_source(options, environ), options, named)


async def connect_to(place: str) -> Connection:
    """The way to the cluster of one kubeconfig, or with ``in-cluster`` to that around this process.

    Nothing is sent yet. Raises ConfigError.
    """
    options = ConnectOptions()
    source = _InCluster() if place == IN_CLUSTER else _Kubeconfig(_existing(place), options)
    return await _connected(source, options)


def _existing(path: str) -> str:
    found = Path(path).expanduser()
    if not found.is_file():
        raise ConfigError(f"kubeconfig {path}: no such file")
    return str(found)


async def _connected(source: "_Source", options: ConnectOptions, namespace: str = "") -> Connection:
    configuration = transport.load().Configuration()

    async def reload() -> None:
        try:
            await source.load(configuration)
        except ConfigError:
            raise
        except Exception as error:  # a library, a parser and plugins: anything can come out
            why = " ".join(str(error).split())[:256] or type(error).__name__
            raise ConfigError(f"cannot load {source.describe()}: {why}") from error
        _override(configuration, options)

    await reload()
    return Connection(
        configuration,
        options.namespace or namespace or source.namespace or "default",
        reload,
        _impersonation(options),
        options.request_timeout,
        source.context,
    )


def _source(options: ConnectOptions, environ: "os._Environ[str] | dict[str, str]") -> "_Source":
    home = str(Path.home() / ".kube" / "config")
    paths = options.kubeconfig or environ.get("KUBECONFIG") or home
    found = any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep) if path)
    if found:
        return _Kubeconfig(paths, options)
    if options.kubeconfig:
        raise ConfigError(f"kubeconfig {options.kubeconfig}: no such file")
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return _InCluster()
    if options.server:
        return _Source()
    raise ConfigError(
        f"no kubeconfig at {paths} and not inside a cluster: "
        "pass --kubeconfig, set KUBECONFIG, or pass --server"
    )


class _Source:
    """Where settings come from; this one has none, all is said by flags."""

    namespace = ""
    context = ""

    def describe(self) -> str:
        return "flags"

    async def load(self, configuration: Any) -> None:
        """Write host, credentials and TLS settings into ``configuration``."""


class _InCluster(_Source):
    """The service account Kubernetes mounts into a pod."""

    def describe(self) -> str:
        return "the in-cluster service account"

    async def load(self, configuration: Any) -> None:
        transport.load().incluster_config.load_incluster_config(client_configuration=configuration)
        namespace = _SERVICE_ACCOUNT / "namespace"
        self.namespace = namespace.read_text().strip() if namespace.is_file() else ""


class _Kubeconfig(_Source):
    """Kubeconfig files, merged as kubectl does, with context, cluster and user chosen."""

    def __init__(self, paths: str, options: ConnectOptions) -> None:
        self._paths = paths
        self._options = options

    def describe(self) -> str:
        return f"kubeconfig {self._paths}"

    async def load(self, configuration: Any) -> None:
        library = transport.load().kube_config
        merger = library.KubeConfigMerger(self._paths)
        node = merger.config
        if node is None or not isinstance(node.value, dict):
            raise ConfigError(f"{self.describe()} is empty")
        chosen = self._choose(node.value)
        name = "chosen by flags"  # a context of our own: the library knows no --cluster or --user
        node.value["contexts"].append(library.ConfigNode(name, {"name": name, "context": chosen}))
        loader = library.KubeConfigLoader(
            config_dict=node,
            config_base_path=None,
            active_context=name,
            # The library hands its persister the merged file; the merger wants no argument.
            config_persister=lambda _merged: merger.save_changes(),
        )
        await loader.load_and_set(configuration)

    def _choose(self, merged: dict[str, Any]) -> dict[str, str]:
        contexts = {c["name"]: c.value.get("context") or {} for c in merged["contexts"]}
        self.context = self._options.context or merged.get("current-context") or ""
        if self._options.context and self.context not in contexts:
            raise ConfigError(f'context "{self.context}" does not exist')
        chosen = {key: value for key, value in contexts.get(self.context, {}).items() if value}
        chosen.update(
            (key, value) for key in ("cluster", "user") if (value := getattr(self._options, key))
        )
        for key, items in (("cluster", "clusters"), ("user", "users")):
            if key in chosen and chosen[key] not in {item["name"] for item in merged[items]}:
                raise ConfigError(f'{key} "{chosen[key]}" does not exist in {self.describe()}')
        if "cluster" not in chosen:
            raise ConfigError(f"{self.describe()} has no current context: pass --context")
        self.namespace = chosen.get("namespace", "")
        return chosen


def _override(configuration: Any, options: ConnectOptions) -> None:
    """Flags win over files."""
    if options.server:
        server = options.server.rstrip("/")
        configuration.host = server if "://" in server else f"https://{server}"
    if options.token:
        configuration.api_key["BearerToken"] = f"Bearer {options.token}"
        configuration.refresh_api_key_hook = None
    if options.insecure:
        configuration.verify_ssl = False
        configuration.ssl_ca_cert = None
    for flag, attribute in (
        ("certificate_authority", "ssl_ca_cert"),
        ("client_certificate", "cert_file"),
        ("client_key", "key_file"),
        ("tls_server_name", "tls_server_name"),
    ):
        if value := getattr(options, flag):
            setattr(configuration, attribute, value)


def _impersonation(options: ConnectOptions) -> tuple[tuple[str, str], ...]:
    if not options.as_user:
        if options.as_groups or options.as_uid:
            raise ConfigError("--as-group and --as-uid need --as")
        return ()
    headers = [("Impersonate-User", options.as_user)]
    headers += [("Impersonate-Group", group) for group in options.as_groups]
    headers += [("Impersonate-Uid", options.as_uid)] if options.as_uid else []
    return tuple(headers)
