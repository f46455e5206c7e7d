"""The lines above the tree: what is running, how far it is, with how many pods.

Pure; used by ``get``.
"""

from collections.abc import Iterator

from rollouts.api import labels
from rollouts.api.rollout import Rollout
from rollouts.cli.objects import Snapshot
from rollouts.cli.phase import (
    actual_weight,
    hash_of,
    phase_of,
    set_weight,
    step_of,
    strategy_of,
)
from rollouts.cli.style import Cell, color_of, icon, painted, tag_color
from rollouts.cli.tree import owned
from rollouts.kube.api import Obj


def rollout_header(found: Snapshot, *, color: bool) -> list[str]:
    """Name, status, strategy, images and counts of a Rollout."""
    rollout = Rollout.decode(found.root)
    status = rollout.status
    phase, message = phase_of(rollout)
    sets = owned(found.replica_sets, found.root)
    mark = icon(phase)
    lines = [
        _line("Name:", rollout.metadata.name),
        _line("Namespace:", rollout.metadata.namespace),
        _line("Status:", painted(Cell(f"{mark} {phase}", color_of(mark)), color=color)),
    ]
    if message:
        lines.append(_line("Message:", message))
    lines.append(_line("Strategy:", strategy_of(rollout)))
    if rollout.spec.canary is not None:
        lines += [
            _line("  Step:", step_of(rollout)),
            _line("  SetWeight:", str(set_weight(rollout))),
            _line("  ActualWeight:", str(actual_weight(rollout, sets))),
        ]
    lines += _images(rollout, found, color=color)
    lines += [
        "Replicas:",
        _line("  Desired:", str(rollout.spec.replicas_or_default)),
        _line("  Current:", str(status.replicas)),
        _line("  Updated:", str(status.updated_replicas)),
        _line("  Ready:", str(status.ready_replicas)),
        _line("  Available:", str(status.available_replicas)),
    ]
    return lines


def experiment_header(found: Snapshot, *, color: bool) -> list[str]:
    """Name, status and images of an Experiment."""
    status = found.root.get("status") or {}
    phase = str(status.get("phase") or "")
    mark = "◌" if phase == "Running" else icon(phase)
    lines = [
        _line("Name:", found.root["metadata"]["name"]),
        _line("Namespace:", found.root["metadata"].get("namespace") or ""),
        _line("Status:", painted(Cell(f"{mark} {phase}".strip(), color_of(mark)), color=color)),
    ]
    if status.get("message"):
        lines.append(_line("Message:", str(status["message"])))
    tagged: dict[str, set[str]] = {}
    for rs in owned(found.replica_sets, found.root):
        _tag(tagged, rs, {f"Σ:{_template_name(rs)}"})
    return lines + _image_lines(tagged, color=color)


def _images(rollout: Rollout, found: Snapshot, *, color: bool) -> list[str]:
    tagged: dict[str, set[str]] = {}
    for rs in owned(found.replica_sets, found.root):
        _tag(tagged, rs, _tags(rollout, hash_of(rs)))
    for experiment in owned(found.experiments, found.root):
        for rs in owned(found.replica_sets, experiment):
            _tag(tagged, rs, {f"Σ:{_template_name(rs)}"})
    return _image_lines(tagged, color=color)


def _tag(tagged: dict[str, set[str]], rs: Obj, tags: set[str]) -> None:
    """Images of a ReplicaSet count while it has pods."""
    spec = rs.get("spec") or {}
    if not (rs.get("status") or {}).get("replicas") and not spec.get("replicas"):
        return
    pod = (spec.get("template") or {}).get("spec") or {}
    for container in pod.get("containers") or ():
        tagged.setdefault(str(container.get("image") or ""), set()).update(tags)


def _tags(rollout: Rollout, own: str) -> set[str]:
    status = rollout.status
    tags = {"stable"} if own == status.stable_rs else set()
    if rollout.spec.canary is not None:
        if own == status.current_pod_hash and not tags:
            tags.add("canary")
    elif own == status.blue_green.active_selector:
        tags.add("active")
    elif own == status.blue_green.preview_selector:
        tags.add("preview")
    return tags


def _image_lines(tagged: dict[str, set[str]], *, color: bool) -> list[str]:
    def lines() -> Iterator[str]:
        for index, image in enumerate(sorted(tagged)):
            tags = sorted(tagged[image])
            shown = ", ".join(painted(Cell(tag, tag_color(tag)), color=color) for tag in tags)
            yield _line("" if index else "Images:", f"{image} ({shown})" if tags else image)

    return list(lines())


def _template_name(rs: Obj) -> str:
    annotations = rs["metadata"].get("annotations") or {}
    return str(annotations.get(labels.EXPERIMENT_TEMPLATE, ""))


def _line(key: str, value: str) -> str:
    return f"{key:<17}{value}".rstrip()
