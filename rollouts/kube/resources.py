"""The resource types this project reads or writes, named once.

A Resource says how a type is addressed; it says nothing about the shape of its objects. Used by
everything that calls a KubeApi.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Resource:
    """How one resource type is addressed on an API server."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_resource(self) -> str:
        """The spelling of error messages: ``replicasets.apps``, or ``pods`` for the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """The URL path of a collection, an object or a subresource of it."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        tail = f"/{name}" if name else ""
        return f"{root}{scope}/{self.plural}{tail}" + (f"/{subresource}" if subresource else "")


_ARGO: Final = ("argoproj.io", "v1alpha1")
ROLLOUTS: Final = Resource(*_ARGO, "rollouts", "Rollout")
ANALYSIS_RUNS: Final = Resource(*_ARGO, "analysisruns", "AnalysisRun")
ANALYSIS_TEMPLATES: Final = Resource(*_ARGO, "analysistemplates", "AnalysisTemplate")
CLUSTER_ANALYSIS_TEMPLATES: Final = Resource(
    *_ARGO, "clusteranalysistemplates", "ClusterAnalysisTemplate", namespaced=False
)
EXPERIMENTS: Final = Resource(*_ARGO, "experiments", "Experiment")

NAMESPACES: Final = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
NODES: Final = Resource("", "v1", "nodes", "Node", namespaced=False)
PODS: Final = Resource("", "v1", "pods", "Pod")
SERVICES: Final = Resource("", "v1", "services", "Service")
SECRETS: Final = Resource("", "v1", "secrets", "Secret")
CONFIG_MAPS: Final = Resource("", "v1", "configmaps", "ConfigMap")
EVENTS: Final = Resource("", "v1", "events", "Event")
POD_TEMPLATES: Final = Resource("", "v1", "podtemplates", "PodTemplate")
REPLICA_SETS: Final = Resource("apps", "v1", "replicasets", "ReplicaSet")
DEPLOYMENTS: Final = Resource("apps", "v1", "deployments", "Deployment")
JOBS: Final = Resource("batch", "v1", "jobs", "Job")
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")
ENDPOINT_SLICES: Final = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
CRDS: Final = Resource(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    namespaced=False,
)
