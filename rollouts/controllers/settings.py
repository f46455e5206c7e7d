"""What the controller can be told, checked once.

Owns names, defaults and limits of the settings (Argo Rollouts' flags where they apply). Where they
come from is the command's business; nobody reads flags or the environment after this.
"""

from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from analysis.providers.address import AddressPolicy, Mode, parse_places
from rollouts.kube.lease import Timing, lease_name


class SettingsError(Exception):
    """A setting is out of range; the message names it and says what would do."""


class Settings(BaseModel):
    """One controller process. Times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    namespace: str = Field(default="default", description="The controller's own namespace.")
    namespaced: bool = Field(default=False, description="Watch only that namespace.")
    only_analysis: bool = Field(default=False, description="Run only the AnalysisRun controller.")
    instance_id: str = Field(default="", pattern=r"^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$")
    log_level: str = "info"
    log_format: Literal["text", "json"] = "text"
    bind_address: str = "127.0.0.1"
    healthz_port: int = Field(default=8080, ge=-1, le=65535)
    metrics_port: int = Field(default=8090, ge=-1, le=65535)
    qps: float = Field(default=0.0, ge=0, description="Requests per second; 0 is no limit.")
    burst: int = Field(default=80, ge=1)
    rollout_workers: int = Field(default=10, ge=1, le=1000)
    analysis_workers: int = Field(default=30, ge=1, le=1000)
    experiment_workers: int = Field(default=10, ge=1, le=1000)
    service_workers: int = Field(default=10, ge=1, le=1000)
    ingress_workers: int = Field(default=10, ge=1, le=1000)
    sweep: float = Field(default=600.0, ge=10)
    leader_elect: bool = True
    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0
    prometheus_address: str = ""
    analysis_address_policy: Mode = Field(
        default=Mode.GUARDED, description="Which addresses metrics may be fetched from."
    )
    analysis_allow: tuple[str, ...] = Field(
        default=(), description="Networks and host names that policy would refuse."
    )
    analysis_deny: tuple[str, ...] = Field(
        default=(), description="Networks and host names metrics are never fetched from."
    )

    @model_validator(mode="after")
    def _check(self) -> "Settings":
        self.lease_timing()
        self.address_policy()
        return self

    def lease_timing(self) -> Timing:
        return Timing(self.lease_duration, self.renew_deadline, self.retry_period)

    def address_policy(
        self, *, allow_loopback: bool = False, api_server: str = ""
    ) -> AddressPolicy:
        """Which addresses metrics may be fetched from; the URL of the API server never.

        Raises ValueError for what is no network and no host name.
        """
        allowed, hosts = parse_places(self.analysis_allow)
        refused, refused_hosts = parse_places(self.analysis_deny)
        server = urlsplit(api_server)
        usual = 80 if server.scheme == "http" else 443
        return AddressPolicy(
            allow_loopback=allow_loopback,
            mode=self.analysis_address_policy,
            allowed=allowed,
            hosts=hosts,
            refused=refused,
            refused_hosts=refused_hosts,
            api_server=(server.hostname, server.port or usual) if server.hostname else None,
        )

    @property
    def lease_name(self) -> str:
        return lease_name(self.instance_id)

    @property
    def watched_namespace(self) -> str | None:
        """The namespace to watch; None is all."""
        return self.namespace if self.namespaced else None


def settings_of(values: dict[str, Any]) -> Settings:
    """Checked settings; raises SettingsError with one line per mistake."""
    try:
        return Settings(**values)
    except ValidationError as error:
        mistakes = [
            f"{'.'.join(map(str, mistake['loc'])) or 'settings'}: {mistake['msg']}"
            for mistake in error.errors()
        ]
        raise SettingsError("; ".join(mistakes)) from error
