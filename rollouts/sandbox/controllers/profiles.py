"""How scripted pods behave, as data.

Owns the profiles (a profile is a list of stages with durations), where in its script a pod is after
some seconds, and which profile a pod gets. Pure: where it stands is a function of the profile,
the pod's seed and the seconds since it was accepted, so a restarted kubelet finds every pod where
it left it. Called by the kubelet; the names here are what ``--pods`` and annotations accept.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from analysis.times import parse_duration
from rollouts.sandbox.controllers.objects import annotations, spec

PROFILE: Final = "sandbox.rollouts/profile"
READY_AFTER: Final = "sandbox.rollouts/ready-after"
COMPLETE_AFTER: Final = "sandbox.rollouts/complete-after"
MAX_BACKOFF: Final = 300.0
# Nothing a pod does repeats more often than this many times before it settles for the longest wait.
_MAX_ROUNDS: Final = 10_000


class Phase(StrEnum):
    """What a pod's containers are doing."""

    CREATING = "creating"
    RUNNING = "running"
    READY = "ready"
    CRASHED = "crashed"
    CRASH_BACKOFF = "crash-backoff"
    PULL_ERROR = "pull-error"
    PULL_BACKOFF = "pull-backoff"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stretch of a pod's life.

    ``seconds``: how long it lasts (infinity: for good); ``jitter``: up to this many seconds more,
    drawn once per pod; ``doubles``: each time the script comes round it lasts twice as long, up to
    five minutes.
    """

    phase: Phase
    seconds: float = math.inf
    jitter: float = 0.0
    doubles: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """A script.

    ``again``: index of the stage that follows the last one (each round is a restart of the
    containers), or None to stay in the last one. ``complete_after``: seconds until containers that
    are meant to end do so. ``stop_after``: seconds a graceful deletion takes.
    """

    name: str
    stages: tuple[Stage, ...]
    again: int | None = None
    complete_after: float = 1.0
    exit_code: int = 0
    stop_after: float = 0.3


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a pod is in its script; times are seconds since the pod was accepted.

    ``until`` is infinite when nothing more will happen by itself.
    """

    phase: Phase
    since: float
    until: float
    restarts: int = 0
    exit_code: int = 0


def becomes_ready(name: str, seconds: float, jitter: float = 0.0) -> Profile:
    """Containers are created, start, and are ready after ``seconds``."""
    if seconds <= 0 and jitter <= 0:
        return Profile(name, (Stage(Phase.READY),), complete_after=0.0, stop_after=0.0)
    pull = min(seconds / 3, 0.5)
    stages = (
        Stage(Phase.CREATING, pull),
        Stage(Phase.RUNNING, seconds - pull, jitter),
        Stage(Phase.READY),
    )
    return Profile(name, stages, complete_after=max(seconds, 0.2), stop_after=min(seconds, 2.0))


def _never_ready() -> Profile:
    return Profile("never-ready", (Stage(Phase.CREATING, 0.1), Stage(Phase.RUNNING)))


def _crash_loop(name: str, healthy_for: float, ready_first: bool) -> Profile:
    alive = Stage(Phase.READY if ready_first else Phase.RUNNING, healthy_for)
    stages = (
        Stage(Phase.CREATING, 0.1),
        alive,
        Stage(Phase.CRASHED, 1.0),
        Stage(Phase.CRASH_BACKOFF, 10.0, doubles=True),
    )
    return Profile(name, stages, again=1, exit_code=1)


def _pull_error() -> Profile:
    stages = (
        Stage(Phase.CREATING, 0.1),
        Stage(Phase.PULL_ERROR, 5.0),
        Stage(Phase.PULL_BACKOFF),
    )
    return Profile("image-pull-error", stages)


def _unready(name: str, ready_for: float) -> Profile:
    stages = (Stage(Phase.CREATING, 0.1), Stage(Phase.READY, ready_for), Stage(Phase.RUNNING))
    return Profile(name, stages)


PROFILES: Final[Mapping[str, Profile]] = {
    profile.name: profile
    for profile in (
        becomes_ready("instant", 0.0),
        becomes_ready("fast", 0.3, jitter=0.1),
        becomes_ready("slow", 5.0, jitter=2.0),
        _never_ready(),
        _crash_loop("crash", 2.0, ready_first=False),
        _crash_loop("crash-after-40s", 40.0, ready_first=True),
        _pull_error(),
        _unready("unready-after-30s", 30.0),
        Profile("fail", (Stage(Phase.CREATING, 0.1), Stage(Phase.READY)), exit_code=1),
    )
}

# What an image's name says about how its pods behave; first match wins.
_IMAGES: Final = (
    ("does-not-exist", "image-pull-error"),
    ("invalid", "image-pull-error"),
    (":never-ready", "never-ready"),
    (":crash", "crash"),
    (":fail", "fail"),
)


def named(text: str) -> Profile:
    """The profile called ``text``; a Go duration (``2s``) means ready after that long.

    Raises ValueError that lists what is accepted.
    """
    if text in PROFILES:
        return PROFILES[text]
    try:
        return becomes_ready(text, parse_duration(text))
    except ValueError:
        known = ", ".join(PROFILES)
        raise ValueError(f"no pod profile {text!r}: use one of {known}, or a duration") from None


def _seconds(text: str) -> float | None:
    """Seconds in a plain number or a Go duration; infinity for ``never``; None where unreadable."""
    if text == "never":
        return math.inf
    try:
        value = float(text)
    except ValueError:
        try:
            value = parse_duration(text)
        except ValueError:
            return None
    return value if value >= 0 else None


def profile_for(pod: Mapping[str, Any], default: Profile) -> Profile:
    """The pod's own annotation decides, then what its images say, then ``default``.

    An annotation nobody can read counts as absent.
    """
    own = annotations(pod)
    chosen = PROFILES.get(own.get(PROFILE, ""))
    after = _seconds(own.get(READY_AFTER, ""))
    if chosen is None and after is not None:
        chosen = _never_ready() if math.isinf(after) else becomes_ready(f"{after:g}s", after)
    if chosen is None:
        images = [str(one.get("image", "")) for one in spec(pod).get("containers") or ()]
        hit = next((name for word, name in _IMAGES if any(word in image for image in images)), None)
        chosen = PROFILES[hit] if hit else default
    complete = _seconds(own.get(COMPLETE_AFTER, ""))
    return chosen if complete is None else replace(chosen, complete_after=complete)


def ends(pod: Mapping[str, Any]) -> bool:
    """Whether the pod's containers are meant to run to an end."""
    return spec(pod).get("restartPolicy") in ("Never", "OnFailure")


def script_for(pod: Mapping[str, Any], default: Profile) -> Profile:
    """The pod's script: a pod that is meant to end leaves its ready stage by itself."""
    profile = profile_for(pod, default)
    if not ends(pod):
        return profile
    failing = profile.exit_code != 0
    kept = tuple(
        stage for stage in profile.stages if stage.phase in (Phase.CREATING, Phase.PULL_ERROR)
    )
    last = profile.stages[-1]
    if last.phase in (Phase.PULL_BACKOFF, Phase.RUNNING):
        return profile
    if not failing:
        stages = (*kept, Stage(Phase.READY, profile.complete_after), Stage(Phase.COMPLETED))
        return replace(profile, stages=stages, again=None)
    run = Stage(Phase.READY, profile.complete_after)
    if spec(pod).get("restartPolicy") == "Never":
        return replace(profile, stages=(*kept, run, Stage(Phase.FAILED)), again=None)
    backoff = Stage(Phase.CRASH_BACKOFF, 10.0, doubles=True)
    return replace(
        profile, stages=(*kept, run, Stage(Phase.CRASHED, 1.0), backoff), again=len(kept)
    )


def _duration(stage: Stage, round_: int, dice: random.Random) -> float:
    extra = dice.uniform(0, stage.jitter) if stage.jitter else 0.0
    seconds = stage.seconds + extra
    return min(seconds * 2.0**round_, MAX_BACKOFF) if stage.doubles else seconds


def moment(profile: Profile, seed: str, elapsed: float) -> Moment:
    """Where a pod accepted ``elapsed`` seconds ago stands. ``seed`` makes its jitter its own."""
    dice = random.Random(seed)
    since, index, rounds = 0.0, 0, 0
    while True:
        stage = profile.stages[index]
        lasts = _duration(stage, min(rounds, 20), dice)
        last = index + 1 == len(profile.stages)
        until = math.inf if (last and profile.again is None) else since + lasts
        if elapsed < until or rounds >= _MAX_ROUNDS:
            # The restart is counted when the container starts again, not when it falls.
            return Moment(stage.phase, since, until, rounds, profile.exit_code)
        since = until
        index = profile.again if last and profile.again is not None else index + 1
        rounds += last
