"""The closed vocabularies of our API: phases, condition types, reasons, run types.

Owns the spelling users, dashboards and alerts see. Reasons of conditions, of pauses and of events
are separate sets, because the same word can mean different things in them.
"""

from enum import StrEnum


class Phase(StrEnum):
    """``status.phase`` of a Rollout."""

    HEALTHY = "Healthy"
    DEGRADED = "Degraded"
    PROGRESSING = "Progressing"
    PAUSED = "Paused"


class ExperimentPhase(StrEnum):
    """``status.phase`` of an Experiment, and of the analyses in its status."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    ERROR = "Error"
    INCONCLUSIVE = "Inconclusive"


class TemplateState(StrEnum):
    """``status`` of a template of an Experiment."""

    PROGRESSING = "Progressing"
    RUNNING = "Running"
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    ERROR = "Error"


class ConditionType(StrEnum):
    """Types of conditions of Rollouts and, where the name says so, of Experiments."""

    INVALID_SPEC = "InvalidSpec"
    HEALTHY = "Healthy"
    COMPLETED = "Completed"
    AVAILABLE = "Available"
    PAUSED = "Paused"
    REPLICA_FAILURE = "ReplicaFailure"
    PROGRESSING = "Progressing"
    WORKLOAD_SCALED_DOWN = "WorkloadScaledDown"
    INVALID_EXPERIMENT = "InvalidExperimentSpec"


class Reason(StrEnum):
    """Reasons of Rollout conditions."""

    INVALID_SPEC = "InvalidSpec"
    HEALTHY = "RolloutHealthy"
    COMPLETED = "RolloutCompleted"
    AVAILABLE = "AvailableReason"
    PAUSED = "RolloutPaused"
    RESUMED = "RolloutResumed"
    RETRY = "RolloutRetry"
    ABORTED = "RolloutAborted"
    NEW_REPLICA_SET = "NewReplicaSetCreated"
    FOUND_REPLICA_SET = "FoundNewReplicaSet"
    REPLICA_SET_UPDATED = "ReplicaSetUpdated"
    REPLICA_SET_AVAILABLE = "NewReplicaSetAvailable"
    REPLICA_SET_NOT_AVAILABLE = "ReplicaSetNotAvailable"
    REPLICA_SET_CREATE_ERROR = "ReplicaSetCreateError"
    TIMED_OUT = "ProgressDeadlineExceeded"
    WORKLOAD_SCALED = "WorkloadScaled"
    WORKLOAD_SCALE_REFUSED = "WorkloadScaleRefused"
    EXPERIMENT_COMPLETED = "ExperimentCompleted"


class PauseReason(StrEnum):
    """Reasons in ``status.pauseConditions``."""

    CANARY_STEP = "CanaryPauseStep"
    BLUE_GREEN = "BlueGreenPause"
    INCONCLUSIVE_ANALYSIS = "InconclusiveAnalysisRun"
    INCONCLUSIVE_EXPERIMENT = "InconclusiveExperiment"


class EventReason(StrEnum):
    """Reasons of events; those of runs and experiments end in a phase and are built there."""

    ADDED = "RolloutAddedToInformer"
    UPDATED = "RolloutUpdated"
    NOT_COMPLETED = "RolloutNotCompleted"
    NEW_REPLICA_SET = "NewReplicaSetCreated"
    FOUND_REPLICA_SET = "FoundNewReplicaSet"
    REPLICA_SET_CREATE_ERROR = "ReplicaSetCreateError"
    SCALING = "ScalingReplicaSet"
    SCALING_WORKLOAD = "ScalingWorkload"
    SWITCH_SERVICE = "SwitchService"
    EVICTION_REFUSED = "PodEvictionRefused"
    STEP_COMPLETED = "RolloutStepCompleted"
    SKIP_STEPS = "SkipSteps"
    WEIGHT_UPDATED = "TrafficWeightUpdated"
    ROUTING_ERROR = "TrafficRoutingError"
    WEIGHT_VERIFY_ERROR = "WeightVerifyError"
    PAUSED = "RolloutPaused"
    RESUMED = "RolloutResumed"
    ABORTED = "RolloutAborted"
    RETRY = "RolloutRetry"
    COMPLETED = "RolloutCompleted"
    DELETED = "RolloutDeleted"
    TIMED_OUT = "ProgressDeadlineExceeded"
    INVALID_SPEC = "InvalidSpec"
    MALFORMED_ANNOTATION = "MalformedAnnotation"
    EXPERIMENT_CREATED = "ExperimentCreated"
    RUN_CREATED = "AnalysisRunCreated"
    RUN_TERMINATING = "AnalysisRunTerminating"
    PLUGIN_TRANSITION = "StepPluginTransition"
    RECONCILIATION_ERROR = "ReconciliationError"
    TARGET_GROUP_VERIFIED = "TargetGroupVerified"
    TARGET_GROUP_UNVERIFIED = "TargetGroupUnverified"
    TARGET_GROUP_VERIFY_ERROR = "TargetGroupVerifyError"
    LOAD_BALANCER_NOT_FOUND = "LoadBalancerNotFound"


class RunType(StrEnum):
    """Value of the label ``rollout-type`` on AnalysisRuns."""

    STEP = "Step"
    BACKGROUND = "Background"
    PRE_PROMOTION = "PrePromotion"
    POST_PROMOTION = "PostPromotion"


class CompletionStatus(StrEnum):
    """``status.duration.completionStatus``."""

    PROMOTED = "Promoted"
    FAST_PROMOTED = "FastPromoted"
    ABORTED = "Aborted"
    SUPERSEDED = "Superseded"
    ROLLED_BACK = "RolledBack"
    FAST_ROLLED_BACK = "FastRolledBack"
