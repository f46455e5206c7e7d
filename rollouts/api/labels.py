"""Label and annotation keys, spelled as Argo Rollouts spells them.

Owns names only. Clusters taken over from Argo Rollouts carry these keys: none may ever change.
"""

from typing import Final

POD_TEMPLATE_HASH: Final = "rollouts-pod-template-hash"
"""On ReplicaSets, pods, runs and experiments, and in Service selectors."""
REVISION: Final = "rollout.argoproj.io/revision"
REVISION_HISTORY: Final = "rollout.argoproj.io/revision-history"
DESIRED_REPLICAS: Final = "rollout.argoproj.io/desired-replicas"
WORKLOAD_GENERATION: Final = "rollout.argoproj.io/workload-generation"
EPHEMERAL_METADATA: Final = "rollout.argoproj.io/ephemeral-metadata"
SCALE_DOWN_DEADLINE: Final = "scale-down-deadline"
"""RFC 3339 instant at which a ReplicaSet goes to zero; the key has no prefix."""
MANAGED_BY: Final = "argo-rollouts.argoproj.io/managed-by-rollouts"
INSTANCE_ID: Final = "argo-rollouts.argoproj.io/controller-instance-id"
RUN_TYPE: Final = "rollout-type"
STEP_INDEX: Final = "step-index"
EXPERIMENT_NAME: Final = "experiment.argoproj.io/name"
EXPERIMENT_TEMPLATE: Final = "experiment.argoproj.io/template-name"
JUDGED: Final = "rollout.argoproj.io/judged-replicaset"
"""On runs: the uid of the ReplicaSet whose pods they judge."""
PODS_LOST: Final = "rollout.argoproj.io/pods-lost"
"""On runs: RFC 3339 instant at which those pods were seen to be gone."""
JOB_RUN_UID: Final = "analysisrun.argoproj.io/uid"
JOB_RUN_NAME: Final = "analysisrun.argoproj.io/name"
JOB_RUN_NAMESPACE: Final = "analysisrun.argoproj.io/namespace"
JOB_METRIC: Final = "analysisrun.argoproj.io/metric-name"
METRIC_CREDENTIALS: Final = "rollouts.argoproj.io/metric-credentials"
"""On Secrets beside the controller: ``true`` lets templates of every namespace name them."""
MANAGED_ALB_ANNOTATIONS: Final = "rollouts.argoproj.io/managed-alb-annotations"
MANAGED_ALB_ACTIONS: Final = "rollouts.argoproj.io/managed-alb-actions"
NOTIFIED: Final = "notified.notifications.argoproj.io"
NOTIFY_PREFIX: Final = "notifications.argoproj.io/subscribe."
ISTIO_PRIMARY_CLUSTER: Final = "istio.argoproj.io/primary-cluster"
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"

NOT_COPIED: Final = frozenset(
    {LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED_REPLICAS, NOTIFIED}
)
"""Annotations of a Rollout that never go to its ReplicaSets."""
