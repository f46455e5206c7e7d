"""No traffic share without the pods for it, judged write by write in the order of a pass.

Owns one rule for Rollouts with a router: the share that may still reach a revision, as recorded, as
the routers' objects say and as this pass would have it, never exceeds its ready pods by our doing.
A weight or a Service moves only towards pods that can take it, and pods go only when no share needs
them and the routers, where they can be asked, are seen to obey. What would break the rule is left
out and said to be waiting. Pure; part of ``planner.safety``.
"""

from rollouts.planner import routed, shares
from rollouts.planner.backends import Backends, Lack
from rollouts.planner.draft import Draft
from rollouts.planner.plan import EndTrial, Scale, Shift, Switch, Write


def hold_back(draft: Draft, writes: list[Write]) -> list[Write]:
    """``writes``, in order, without those that would send traffic where there is no capacity."""
    canary = draft.spec.canary
    if canary is None or canary.traffic_routing is None:
        return writes
    backends = Backends.of(draft, canary, routed.fixed_size(draft, canary))
    if backends is None:
        return writes
    pictures, kept = [backends], []
    for write in writes:
        match write.effect:
            case Shift() | Switch() as move:
                lack = pictures[-1].lack(move)
                if lack is None and isinstance(move, Shift):
                    lack = shares.lack(draft, canary, move)
                if lack is not None:
                    _explain(draft, move, lack)
                    continue
                pictures.append(pictures[-1].after(move))
            case Scale() as scale if scale.new < scale.old and _carries(draft, scale, pictures):
                continue
            case EndTrial(name=name) if shares.reached(draft, name):
                _explain_end(draft, name)
                continue
            case _:
                pass
        kept.append(write)
    return kept


def _explain(draft: Draft, move: Shift | Switch, lack: Lack) -> None:
    pods = f"{lack.available} pods of {lack.hash} are available, {lack.needed} are needed"
    if isinstance(move, Shift):
        draft.block(
            "WeightWaitsForCapacity",
            f"{move.router} is not told to send {move.weight} to revision {move.canary}: {pods}",
            object=f"Rollout/{draft.name}",
            field="status.canary.weights",
        )
        return
    draft.block(
        "SwitchWaitsForCapacity",
        f"Service {move.service} stays on revision {move.old or 'as it is'}: {pods}",
        object=f"Service/{move.service}",
        field="spec.selector",
    )


def _explain_end(draft: Draft, name: str) -> None:
    draft.block(
        "ExperimentKeepsTraffic",
        f"Experiment {name} goes on until the router is seen to send it nothing any more",
        object=f"Experiment/{name}",
        field="spec.terminate",
    )


def _carries(draft: Draft, scale: Scale, pictures: list[Backends]) -> bool:
    """Whether traffic may still reach the pods to be removed."""
    if not all(picture.obeyed for picture in pictures):
        message = f"revision {scale.hash} keeps {scale.old} pods until the router is seen to obey"
    else:
        claim = max(picture.claim(scale.hash) for picture in pictures)
        if scale.new >= claim:
            return False
        message = f"revision {scale.hash} keeps {scale.old} pods: its traffic needs {claim}"
    draft.block(
        "ScaleDownWaitsForTraffic",
        message,
        object=f"Rollout/{draft.name}",
        field="status.canary.weights",
    )
    return True
