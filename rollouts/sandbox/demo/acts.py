"""The demo's three acts: what is done, what must come of it, and the evidence.

Owns the promises. Each act changes one image, waits for what was promised, and judges by the
cluster's state and by what users saw; an act that ends otherwise says what it found instead.
Called by ``story``.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rollouts.kube.api import KubeApi, PatchType
from rollouts.kube.resources import ROLLOUTS
from rollouts.runtime.clock import Clock
from rollouts.sandbox.demo.load import LoadGenerator
from rollouts.sandbox.demo.narrate import Say, Tone, shown_value
from rollouts.sandbox.demo.view import ClusterView

SHOP: Final = "shop"
CHECKOUT: Final = "checkout"
# A step takes about ten seconds; an act that needs three times that is stuck.
_PATIENCE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Stage:
    """What the acts play on.

    ``loads``: the users of each Rollout, by its name. ``show``: draw the tree of a Rollout.
    """

    api: KubeApi
    view: ClusterView
    loads: Mapping[str, LoadGenerator]
    clock: Clock
    say: Say
    show: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an act found. ``problems`` is empty when it ended as told."""

    ended: str
    evidence: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Act:
    """``rollout``: whose release it is."""

    title: str
    rollout: str
    intention: str
    play: Callable[[Stage], Awaitable[Outcome]]


async def good_canary(stage: Stage) -> Outcome:
    """Green instead of blue in the shop: promoted, because it was measured to work."""
    view = stage.view
    before = view.status(SHOP).get("stableRS", "")
    await set_image(stage.api, view.namespace, SHOP, "demo/colours:green")

    def promoted() -> bool:
        status = view.status(SHOP)
        return status.get("phase") == "Healthy" and status.get("stableRS") not in {None, "", before}

    problems = [] if await view.until(promoted, _PATIENCE) else [_stuck(view, SHOP)]
    stable = view.status(SHOP).get("stableRS", "")
    phases, evidence = _judged(view, SHOP)
    if phases != ["Successful"]:
        problems.append(f"its analysis ended {phases or 'without a verdict'}, not Successful")
    if view.version_of(stable) != "green":
        problems.append(f"the stable version is {view.version_of(stable)}, not green")
    problems += await _only(stage, SHOP, "green")
    return Outcome(f"stable is {view.version_of(stable)}", evidence, tuple(problems))


async def bad_canary(stage: Stage) -> Outcome:
    """Red in the shop: aborted, because it was measured to fail."""
    view = stage.view
    before = view.status(SHOP).get("stableRS", "")
    await set_image(stage.api, view.namespace, SHOP, "demo/colours:red")

    def aborted() -> bool:
        status = view.status(SHOP)
        ended = bool(status.get("abort")) and status.get("phase") == "Degraded"
        return ended and view.pods_of(SHOP, status.get("currentPodHash", "")) == 0

    problems = [] if await view.until(aborted, _PATIENCE) else [_stuck(view, SHOP)]
    status = view.status(SHOP)
    phases, evidence = _judged(view, SHOP)
    if phases != ["Failed"]:
        problems.append(f"its analysis ended {phases or 'without a verdict'}, not Failed")
    if status.get("stableRS") != before:
        problems.append("the stable version changed")
    problems += await _only(stage, SHOP, view.version_of(before))
    return Outcome(f"aborted, stable is still {view.version_of(before)}", evidence, tuple(problems))


async def blue_green(stage: Stage) -> Outcome:
    """Green instead of blue at the checkout: previewed, tested, then switched at once."""
    view = stage.view
    before = view.selected_hash("checkout-active")
    await set_image(stage.api, view.namespace, CHECKOUT, "demo/colours:green")

    def switched() -> bool:
        status = view.status(CHECKOUT)
        hashes = {view.selected_hash("checkout-active"), status.get("stableRS")}
        return status.get("phase") == "Healthy" and before not in hashes and len(hashes) == 1

    def emptied() -> bool:
        return view.pods_of(CHECKOUT, before) == 0

    problems = [] if await view.until(switched, _PATIENCE) else [_stuck(view, CHECKOUT)]
    now = view.selected_hash("checkout-active")
    phases, evidence = _judged(view, CHECKOUT)
    if phases != ["Successful"]:
        problems.append(f"its analysis ended {phases or 'without a verdict'}, not Successful")
    if view.version_of(now) != "green":
        problems.append(f"checkout-active selects {view.version_of(now)}, not green")
    problems += await _only(stage, CHECKOUT, "green")
    if not await view.until(emptied, _PATIENCE):
        problems.append(f"{view.version_of(before)} still has pods")
    ended = f"checkout-active: {view.version_of(before)} → {view.version_of(now)}"
    return Outcome(ended, evidence, tuple(problems))


ACTS: Final[Sequence[Act]] = (
    Act(
        "A good canary",
        SHOP,
        "The shop goes from blue to green: a fifth of the traffic first, more if Prometheus says "
        "that at least 95 % of green's answers are good.",
        good_canary,
    ),
    Act(
        "A bad canary",
        SHOP,
        "The shop goes from green to red, which fails every fifth request. Nobody has told the "
        "controller so.",
        bad_canary,
    ),
    Act(
        "A blue-green release",
        CHECKOUT,
        "The checkout goes from blue to green: green comes up beside blue, is tested through the "
        "preview Service, and gets all users at once.",
        blue_green,
    ),
)


async def set_image(api: KubeApi, namespace: str, rollout: str, image: str) -> None:
    """What ``rollouts set image`` does."""
    path = "/spec/template/spec/containers/0/image"
    patch = [{"op": "replace", "path": path, "value": image}]
    await api.patch(ROLLOUTS, rollout, patch, namespace, type=PatchType.JSON)


async def _only(stage: Stage, rollout: str, version: str) -> list[str]:
    """Wait until one version answers all requests; what was wrong if that does not come about."""
    load, answered = stage.loads[rollout], Counter[str]()
    deadline = stage.clock.monotonic() + _PATIENCE / 2
    while set(answered) != {version} and stage.clock.monotonic() < deadline:
        answered = await _next_answers(stage, load)
    if set(answered) == {version}:
        text = f"the last {answered.total()} requests: all answered by {version}"
        stage.say(text, Tone.QUIET)
        return []
    return [f"users are answered by {', '.join(sorted(answered)) or 'nobody'}, not {version}"]


async def _next_answers(stage: Stage, load: LoadGenerator, count: int = 20) -> Counter[str]:
    """Who answers the next ``count`` requests or more."""
    before = load.tally.copy()

    def enough() -> bool:
        return load.tally.since(before).requests.total() >= count

    await stage.view.until(enough, 5.0)
    return load.tally.since(before).requests


def _judged(view: ClusterView, rollout: str) -> tuple[list[str], tuple[str, ...]]:
    """Phases of the analysis runs of the newest version, and what they measured."""
    phases, evidence = [], []
    for run in view.runs(rollout):
        status = run.get("status") or {}
        phases.append(str(status.get("phase", "")))
        conditions = {m["name"]: m.get("successCondition", "") for m in run["spec"]["metrics"]}
        for result in status.get("metricResults") or []:
            values = [shown_value(m) for m in result.get("measurements") or []]
            wanted = conditions.get(result["name"], "")
            evidence.append(f"{result['name']} {', '.join(values)} (wanted {wanted})")
    return phases, tuple(evidence)


def _stuck(view: ClusterView, rollout: str) -> str:
    """Why an act did not end in time, in the Rollout's own words."""
    status = view.get(ROLLOUTS, rollout).get("status") or {}
    message = f", {status['message']}" if status.get("message") else ""
    return f"after {_PATIENCE:g} s {rollout} is {status.get('phase', 'without status')}{message}"
