"""A Rollout that is valid, to be spoiled one field at a time."""

import copy
from typing import Any


def rollout(**spec: Any) -> dict[str, Any]:
    """A valid canary Rollout, with fields of ``spec`` replaced."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "shop", "namespace": "web", "uid": "u-1", "generation": 3},
        "spec": {
            "replicas": 5,
            "selector": {"matchLabels": {"app": "shop"}},
            "template": {
                "metadata": {"labels": {"app": "shop"}},
                "spec": {"containers": [{"name": "main", "image": "shop:1"}]},
            },
            "strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}},
            **copy.deepcopy(spec),
        },
    }


def canary(**fields: Any) -> dict[str, Any]:
    """With these fields as its canary strategy."""
    return rollout(strategy={"canary": fields})


def blue_green(**fields: Any) -> dict[str, Any]:
    """With these fields added to a valid blue-green strategy."""
    return rollout(strategy={"blueGreen": {"activeService": "shop", **fields}})


def container(**fields: Any) -> dict[str, Any]:
    """With these fields added to its only container."""
    base = rollout()
    base["spec"]["template"]["spec"]["containers"][0].update(fields)
    return base
