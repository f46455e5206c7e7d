"""Where a Rollout's pod template is written: in itself, or in the workload it refers to.

Owns that one question, for the commands that change the template.
"""

from rollouts.cli.common import FailedError
from rollouts.kube.api import Obj
from rollouts.kube.resources import ROLLOUTS, Resource
from rollouts.planner.workload import reference, template_path


def template_holder(rollout: Obj) -> tuple[Resource, str, tuple[str, ...]]:
    """(resource, name, path of the template) of what holds the template; same namespace.

    Raises FailedError where the Rollout refers to something that has no pod template.
    """
    ref = rollout["spec"].get("workloadRef")
    if not ref:
        return ROLLOUTS, rollout["metadata"]["name"], template_path(ROLLOUTS)
    found = reference(rollout)
    if found is None:
        raise FailedError(
            f'rollout "{rollout["metadata"]["name"]}" refers to a {ref.get("kind")} of '
            f"{ref.get('apiVersion')}; it has to be a Deployment, ReplicaSet or PodTemplate"
        )
    resource, name = found
    return resource, name, template_path(resource)
