"""``spec.strategy.canary.trafficRouting``: which routers carry the split, and their settings.

Owns the shape of every router's settings; what they mean to a router's objects is the traffic
room's business. Used by the canary strategy.
"""

from typing import Any

from pydantic import Field

from rollouts.api.base import REQUIRED, ApiModel, Bool, FreeValue, Int32, Int64, Str, StrMap

DEFAULT_MAX_WEIGHT = 100


class NamedRef(ApiModel):
    name: Str = Field(default="", description="Name of the object.", json_schema_extra=REQUIRED)


class TlsRoute(ApiModel):
    port: Int64 | None = Field(default=None, description="Port the route matches.")
    sni_hosts: tuple[Str, ...] = Field(default=(), description="SNI hosts the route matches.")


class TcpRoute(ApiModel):
    port: Int64 | None = Field(default=None, description="Port the route matches.")


class IstioVirtualService(ApiModel):
    name: Str = Field(
        default="",
        description="VirtualService, as name or name.namespace.",
        json_schema_extra=REQUIRED,
    )
    routes: tuple[Str, ...] = Field(
        default=(), description="HTTP routes to change; the only one if unset."
    )
    tls_routes: tuple[TlsRoute, ...] = Field(default=(), description="TLS routes to change.")
    tcp_routes: tuple[TcpRoute, ...] = Field(default=(), description="TCP routes to change.")


class IstioDestinationRule(ApiModel):
    name: Str = Field(
        default="",
        description="DestinationRule whose subsets are switched.",
        json_schema_extra=REQUIRED,
    )
    canary_subset_name: Str = Field(
        default="", description="Subset of the new revision.", json_schema_extra=REQUIRED
    )
    stable_subset_name: Str = Field(
        default="", description="Subset of the stable revision.", json_schema_extra=REQUIRED
    )
    additional_subset_names: tuple[Str, ...] = Field(
        default=(), description="Subsets whose weight is left as it is."
    )


class IstioTrafficRouting(ApiModel):
    virtual_service: IstioVirtualService | None = Field(
        default=None, description="The VirtualService to change."
    )
    virtual_services: tuple[IstioVirtualService, ...] = Field(
        default=(), description="Several VirtualServices to change."
    )
    destination_rule: IstioDestinationRule | None = Field(
        default=None, description="Split by subsets of this DestinationRule."
    )


class NginxTrafficRouting(ApiModel):
    stable_ingress: Str = Field(default="", description="Ingress that serves the stable Service.")
    stable_ingresses: tuple[Str, ...] = Field(
        default=(), description="Several Ingresses that serve the stable Service."
    )
    annotation_prefix: Str = Field(
        default="", description="Annotation prefix; nginx.ingress.kubernetes.io if unset."
    )
    additional_ingress_annotations: StrMap = Field(
        default={}, description="Annotations for the canary Ingress, without prefix."
    )
    canary_ingress_annotations: StrMap = Field(
        default={}, description="Annotations for the canary Ingress, used as written."
    )


class StickinessConfig(ApiModel):
    enabled: Bool = Field(
        default=False, description="Keep a client on one target group.", json_schema_extra=REQUIRED
    )
    duration_seconds: Int64 = Field(
        default=0, description="For how long, 1 to 604800.", json_schema_extra=REQUIRED
    )


class AlbTrafficRouting(ApiModel):
    ingress: Str = Field(default="", description="Ingress whose forward action is changed.")
    ingresses: tuple[Str, ...] = Field(default=(), description="Several such Ingresses.")
    service_port: Int32 = Field(
        default=0, description="Port of the Services in the action.", json_schema_extra=REQUIRED
    )
    root_service: Str = Field(default="", description="Service the Ingress names in its rule.")
    annotation_prefix: Str = Field(
        default="", description="Annotation prefix; alb.ingress.kubernetes.io if unset."
    )
    stickiness_config: StickinessConfig | None = Field(
        default=None, description="Session stickiness."
    )


class SmiTrafficRouting(ApiModel):
    root_service: Str = Field(default="", description="Service clients call.")
    traffic_split_name: Str = Field(
        default="", description="Name of the TrafficSplit; the Rollout's if unset."
    )


class AmbassadorTrafficRouting(ApiModel):
    mappings: tuple[Str, ...] = Field(
        default=(), description="Mappings of the stable Service.", json_schema_extra=REQUIRED
    )


class AppMeshVirtualService(ApiModel):
    name: Str = Field(default="", description="VirtualService.", json_schema_extra=REQUIRED)
    routes: tuple[Str, ...] = Field(default=(), description="Routes to change; all if unset.")


class AppMeshVirtualNodeGroup(ApiModel):
    canary_virtual_node_ref: NamedRef | None = Field(
        default=None, description="VirtualNode of the new revision."
    )
    stable_virtual_node_ref: NamedRef | None = Field(
        default=None, description="VirtualNode of the stable revision."
    )


class AppMeshTrafficRouting(ApiModel):
    virtual_service: AppMeshVirtualService | None = Field(
        default=None, description="VirtualService whose router is changed."
    )
    virtual_node_group: AppMeshVirtualNodeGroup | None = Field(
        default=None, description="VirtualNodes the split is made of."
    )


class TraefikTrafficRouting(ApiModel):
    weighted_traefik_service_name: Str = Field(
        default="",
        description="TraefikService that carries the weights.",
        json_schema_extra=REQUIRED,
    )


class ApisixRoute(ApiModel):
    name: Str = Field(default="", description="ApisixRoute.", json_schema_extra=REQUIRED)
    rules: tuple[Str, ...] = Field(default=(), description="Rules to change.")


class ApisixTrafficRouting(ApiModel):
    route: ApisixRoute | None = Field(default=None, description="Route that carries the weights.")


class RolloutTrafficRouting(ApiModel):
    """Settings of all routers; several may be set at once."""

    max_traffic_weight: Int32 | None = Field(
        default=None, description="Weight that means all traffic; 100 if unset. Nginx and plugins."
    )
    managed_routes: tuple[NamedRef, ...] | None = Field(
        default=None, description="Routes owned by the Rollout; the first has precedence."
    )
    istio: IstioTrafficRouting | None = Field(default=None, description="Istio.")
    nginx: NginxTrafficRouting | None = Field(default=None, description="Ingress NGINX.")
    alb: AlbTrafficRouting | None = Field(default=None, description="AWS Load Balancer Controller.")
    smi: SmiTrafficRouting | None = Field(default=None, description="Service Mesh Interface.")
    ambassador: AmbassadorTrafficRouting | None = Field(default=None, description="Ambassador.")
    app_mesh: AppMeshTrafficRouting | None = Field(default=None, description="AWS App Mesh.")
    traefik: TraefikTrafficRouting | None = Field(default=None, description="Traefik.")
    apisix: ApisixTrafficRouting | None = Field(default=None, description="Apache APISIX.")
    plugins: dict[Str, FreeValue] = Field(
        default={}, description="Further routers by name, with their own settings."
    )

    @property
    def max_weight(self) -> int:
        """The weight that means all traffic."""
        return DEFAULT_MAX_WEIGHT if self.max_traffic_weight is None else self.max_traffic_weight

    @property
    def routers(self) -> dict[str, Any]:
        """The configured routers in the order in which they are reconciled, plug-ins last."""
        builtin = {
            "istio": self.istio,
            "nginx": self.nginx,
            "alb": self.alb,
            "smi": self.smi,
            "ambassador": self.ambassador,
            "appMesh": self.app_mesh,
            "traefik": self.traefik,
            "apisix": self.apisix,
        }
        return {k: v for k, v in builtin.items() if v is not None} | self.plugins
