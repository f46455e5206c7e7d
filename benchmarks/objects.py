"""What is released in the benchmarks: a Rollout of five steps, and what it refers to.

Owns the manifests. Used by every benchmark that needs a Rollout, so that their numbers are about
the same thing.
"""

from typing import Final

from rollouts.kube.api import Obj

NAMESPACE: Final = "default"
FIVE_STEPS: Final = (
    {"setWeight": 20},
    {"pause": {"duration": "2s"}},
    {"setWeight": 60},
    {"pause": {"duration": "2s"}},
    {"setWeight": 80},
)


def image(version: int) -> str:
    return f"registry.example/shop/web:{version}"


def rollout(
    name: str, replicas: int = 5, steps: tuple[Obj, ...] = FIVE_STEPS, **canary: object
) -> Obj:
    """A canary without a traffic router; ``canary``: more of its strategy."""
    container = {
        "name": "web",
        "image": image(1),
        "env": [{"name": f"SETTING_{number}", "value": "x" * 20} for number in range(8)],
        "ports": [{"containerPort": 8080, "name": "http"}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 10},
        "resources": {"limits": {"memory": "256Mi"}, "requests": {"cpu": "100m"}},
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"canary": {"steps": list(steps), **canary}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container]},
            },
        },
    }


def new_image(version: int) -> list[Obj]:
    """The JSON patch of a release."""
    path = "/spec/template/spec/containers/0/image"
    return [{"op": "replace", "path": path, "value": image(version)}]


def service(name: str, app: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"app": app}, "ports": [{"name": "http", "port": 80}]},
    }


def template(name: str) -> Obj:
    """An AnalysisTemplate as users have them: one argument, one query, a limit."""
    query = 'sum(rate(http_requests_total{app="{{args.app}}",code!~"5.."}[2m]))'
    metric = {
        "name": "success-rate",
        "interval": "1m",
        "failureLimit": 3,
        "successCondition": "len(result) > 0 && result[0] >= 0.95",
        "provider": {"prometheus": {"address": "http://prometheus.example:9090", "query": query}},
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"args": [{"name": "app"}], "metrics": [metric]},
    }
