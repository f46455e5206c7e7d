"""What a Rollout owns, as a tree of rows.

Owns which object hangs below which, and the STATUS and INFO of each row (Argo Rollouts' plugin is
the model). Pure: objects in, nodes out; ``render`` turns nodes into lines. Used by ``get``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from analysis import words
from analysis.times import parse_time
from rollouts.api import labels
from rollouts.api.rollout import Rollout
from rollouts.cli.objects import Snapshot
from rollouts.cli.phase import hash_of, phase_of
from rollouts.cli.style import Cell, color_of, icon, table, tag_color
from rollouts.kube.api import Obj
from rollouts.kube.human import duration
from rollouts.kube.podcells import pod_cells

_HEADER: Final = ("NAME", "KIND", "STATUS", "AGE", "INFO")
_REASON: Final = 160  # characters of a reason in a row
_OUTCOMES: Final = (
    ("successful", "✔"),
    ("failed", "✖"),
    ("inconclusive", "?"),
    ("error", "⚠"),
)


@dataclass(frozen=True, slots=True)
class Node:
    """One row and the rows below it. ``symbol`` is the kind's icon, ``mark`` the status'."""

    symbol: str
    name: str
    kind: str = ""
    status: str = ""
    mark: str = ""
    age: str = ""
    info: tuple[str, ...] = ()
    children: tuple["Node", ...] = ()


def rollout_tree(found: Snapshot, now: float) -> Node:
    """The tree of a Rollout; ``now`` in seconds since the epoch."""
    rollout = Rollout.decode(found.root)
    phase, _ = phase_of(rollout)
    sets = owned(found.replica_sets, found.root)
    experiments = owned(found.experiments, found.root)
    runs = owned(found.runs, found.root)
    revisions: dict[int, list[Node]] = {}
    for rs in sets:
        node = _replica_set(rs, found, now, _roles(rollout, rs))
        revisions.setdefault(revision_of(rs), []).append(node)
    for experiment in experiments:
        node = _experiment(experiment, found, now)
        revisions.setdefault(revision_of(experiment), []).append(node)
    for run in runs:
        revisions.setdefault(revision_of(run), []).append(_run(run, now))
    below = tuple(
        Node("#", f"revision:{number}", children=tuple(revisions[number]))
        for number in sorted(revisions, reverse=True)
    )
    return _node("⟳", found.root, "Rollout", phase, now, children=below)


def experiment_tree(found: Snapshot, now: float) -> Node:
    """The tree of an Experiment."""
    return _experiment(found.root, found, now)


def owned(objects: Iterable[Obj], owner: Obj) -> list[Obj]:
    """Those that ``owner`` controls, oldest first."""
    uid = owner["metadata"].get("uid")
    mine = [obj for obj in objects if _controller(obj) == uid]
    return sorted(
        mine, key=lambda o: (o["metadata"].get("creationTimestamp") or "", o["metadata"]["name"])
    )


def revision_of(obj: Obj) -> int:
    """The revision an object belongs to; 0 where it does not say."""
    text = str((obj["metadata"].get("annotations") or {}).get(labels.REVISION, ""))
    return int(text) if text.isdecimal() else 0


def render(root: Node, *, color: bool) -> list[str]:
    """The tree as lines, header first."""
    rows = [tuple(Cell(title) for title in _HEADER)]
    rows += [_cells(prefix, node) for prefix, node in _walk(root)]
    return table(rows, color=color)


def _walk(node: Node, prefix: str = "", below: str = "") -> Iterator[tuple[str, Node]]:
    yield prefix, node
    for index, child in enumerate(node.children):
        last = index == len(node.children) - 1
        yield from _walk(
            child, below + ("└──" if last else "├──"), below + ("   " if last else "│  ")
        )


def _cells(prefix: str, node: Node) -> tuple[Cell, ...]:
    status = Cell(f"{node.mark} {node.status}".strip(), color_of(node.mark))
    info = Cell(",".join(node.info), tag_color(node.info[0]) if node.info else "")
    name = f"{prefix}{node.symbol} {node.name}"
    return (Cell(name), Cell(node.kind), status, Cell(node.age), info)


def _node(
    symbol: str,
    obj: Obj,
    kind: str,
    status: str,
    now: float,
    *,
    mark: str = "",
    info: tuple[str, ...] = (),
    children: tuple[Node, ...] = (),
) -> Node:
    created = parse_time(obj["metadata"].get("creationTimestamp"))
    return Node(
        symbol,
        obj["metadata"]["name"],
        kind,
        status,
        mark or (icon(status) if status else ""),
        "" if created is None else duration(now - created),
        info,
        children,
    )


def _replica_set(rs: Obj, found: Snapshot, now: float, roles: tuple[str, ...]) -> Node:
    pods = tuple(_pod(pod, now) for pod in owned(found.pods, rs))
    annotations = rs["metadata"].get("annotations") or {}
    deadline = parse_time(annotations.get(labels.SCALE_DOWN_DEADLINE))
    if deadline is not None:
        left = "passed" if deadline <= now else duration(deadline - now)
        roles = (*roles, f"delay:{left}")
    status = _replica_set_status(rs)
    return _node("⧉", rs, "ReplicaSet", status, now, info=roles, children=pods)


def _replica_set_status(rs: Obj) -> str:
    spec, status = rs.get("spec") or {}, rs.get("status") or {}
    wanted = spec.get("replicas", 1)
    behind = (status.get("observedGeneration") or 0) < (rs["metadata"].get("generation") or 0)
    if behind or (status.get("availableReplicas") or 0) < wanted:
        return "Progressing"
    failing = any(
        one.get("type") == "ReplicaFailure" and one.get("status") == "True"
        for one in status.get("conditions") or ()
    )
    if failing:
        return "ReplicaFailure"
    return "Healthy" if wanted else "ScaledDown"


def _roles(rollout: Rollout, rs: Obj) -> tuple[str, ...]:
    status, own = rollout.status, hash_of(rs)
    if not own:
        return ()
    roles = ["stable"] if own == status.stable_rs else []
    if rollout.spec.canary is not None:
        if own == status.current_pod_hash and not roles:
            roles.append("canary")
        roles += _ping_pong(
            rollout, stable=own == status.stable_rs, new=own == status.current_pod_hash
        )
    elif own == status.blue_green.active_selector:
        roles.append("active")
    elif own == status.blue_green.preview_selector:
        roles.append("preview")
    return tuple(roles)


def _ping_pong(rollout: Rollout, *, stable: bool, new: bool) -> list[str]:
    if rollout.spec.canary is None or rollout.spec.canary.ping_pong is None or not (stable or new):
        return []
    names = (
        ("ping", "pong") if rollout.status.canary.stable_ping_pong == "ping" else ("pong", "ping")
    )
    return [names[0] if stable else names[1]]


def _pod(pod: Obj, now: float) -> Node:
    cells = pod_cells(pod, now)
    status = str(cells[2])
    restarts = sum(
        one.get("restartCount") or 0
        for one in (pod.get("status") or {}).get("containerStatuses") or ()
    )
    info = (f"ready:{cells[1]}", *((f"restarts:{restarts}",) if restarts else ()))
    mark = "✔" if status == "Running" else ""
    return _node("□", pod, "Pod", status, now, mark=mark, info=info)


def _experiment(experiment: Obj, found: Snapshot, now: float) -> Node:
    status = str((experiment.get("status") or {}).get("phase") or "")
    children = [
        *(_replica_set(rs, found, now, ()) for rs in owned(found.replica_sets, experiment)),
        *(_run(run, now) for run in owned(found.runs, experiment)),
    ]
    mark = "◌" if status == "Running" else ""
    return _node("Σ", experiment, "Experiment", status, now, mark=mark, children=tuple(children))


def _run(run: Obj, now: float) -> Node:
    status = run.get("status") or {}
    phase = str(status.get("phase") or "")
    results: Sequence[Obj] = status.get("metricResults") or ()
    counts = [(mark, sum(result.get(key) or 0 for result in results)) for key, mark in _OUTCOMES]
    info = tuple(f"{mark} {count}" for mark, count in counts if count)
    mark = "◌" if phase == "Running" else ""
    below = (*_doubts(run), *_jobs(results, now))
    return _node("α", run, "AnalysisRun", phase, now, mark=mark, info=info, children=below)


def _doubts(run: Obj) -> Iterator[Node]:
    """Metrics that did not succeed or are being compared, each with its reason."""
    for result in words.worth_telling(run):
        phase = str(result.get("phase") or "")
        mark = "◌" if phase == "Running" else icon(phase)
        why = words.reason(words.decisive(result))
        info = (why if len(why) <= _REASON else f"{why[:_REASON]}…",)
        yield Node("μ", str(result.get("name")), "Metric", phase, mark, "", info)


def _jobs(results: Sequence[Obj], now: float) -> Iterator[Node]:
    for result in results:
        for measurement in result.get("measurements") or ():
            name = (measurement.get("metadata") or {}).get("job-name")
            if not name:
                continue
            phase = str(measurement.get("phase") or "")
            started = parse_time(measurement.get("startedAt"))
            age = "" if started is None else duration(now - started)
            mark = "◌" if phase == "Running" else icon(phase)
            yield Node("⊞", str(name), "Job", phase, mark, age)


def _controller(obj: Obj) -> Any:
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((owner.get("uid") for owner in owners if owner.get("controller")), None)
