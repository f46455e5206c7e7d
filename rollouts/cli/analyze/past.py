"""``--backtest``: what the verdicts would have been.

Owns the way from the user's window to the report: which releases, which metrics can be replayed,
where history is read from. The replay is ``analysis.backtest``'s business. Used by ``analyze``.
"""

import math
import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from analysis.backtest.replay import Release, Replay, ReplayError, length_of, refusal
from analysis.backtest.server import MAX_BODY, PastServer
from analysis.backtest.window import chosen_starts, regular_starts
from analysis.plan import RunPlan
from analysis.providers.authentication import Sender
from analysis.providers.aws import Aws
from analysis.providers.http import HttpClient
from analysis.providers.prometheus import ADDRESS_VARIABLE, PrometheusSource
from rollouts.cli.analyze.live import own_http
from rollouts.cli.analyze.material import Material
from rollouts.cli.analyze.output import Output
from rollouts.cli.analyze.report import Report
from rollouts.cli.common import FailedError
from rollouts.runtime.clock import SystemClock

if TYPE_CHECKING:
    from rich.status import Status

_EVERY: Final = 3600.0
_UNREADABLE: Final = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """Times in seconds; 0 where the user did not say. ``at``: instants as they were written."""

    span: float
    every: float
    at: tuple[str, ...]
    limit: float
    fail_on_abort: bool = False


async def backtest(material: Material, out: Output, asked: Asked) -> int:
    """Replay and report; the exit code."""
    async with own_http(MAX_BODY) as http:
        return await replayed(material, out, asked, http, SystemClock().wall())


async def replayed(
    material: Material, out: Output, asked: Asked, http: HttpClient, now: float
) -> int:
    """``now``: epoch seconds; later than that there is no past."""
    refused = {metric.name: why for metric in material.plan.metrics if (why := refusal(metric))}
    kept = tuple(metric for metric in material.plan.metrics if metric.name not in refused)
    if not kept:
        reasons = "; ".join(f"{name}: {why}" for name, why in refused.items())
        raise FailedError(f"nothing can be replayed: {reasons}")
    plan = replace(material.plan, metrics=kept)
    expected, ends = length_of(plan)
    length = asked.limit or (math.inf if ends else expected)
    every = asked.every or _EVERY
    starts = _starts(asked, every, min(expected, length), now)
    sender = Sender(http, SystemClock().wall, Aws(http, os.environ))
    source = PrometheusSource(sender, lambda: now, os.environ.get(ADDRESS_VARIABLE, ""))
    server = PastServer(source)
    replay = Replay(
        plan, material.given, source, server, every=int(every), until=now, length=length
    )
    try:
        found = await _replay(replay, starts, out)
    except ReplayError as error:
        out.echo(f"Error: history could not be read: {error}")
        return _UNREADABLE
    finally:
        server.close()
    report = Report(
        material.name,
        found,
        [metric.name for metric in kept],
        every=0 if asked.at else every,
        length=min(expected, length),
        refused=refused,
        without_data=replay.without_data(),
        warnings=[material.given.redactor.text(text) for text in sorted(server.warnings)],
        dry_run=_dry(plan),
    )
    for line in report.lines(color=out.color):
        out.echo(line)
    out.result(report.to_obj())
    return 1 if asked.fail_on_abort and report.not_passed else 0


def _dry(plan: RunPlan) -> frozenset[str]:
    return frozenset(metric.name for metric in plan.metrics if metric.dry_run)


def _starts(asked: Asked, every: float, length: float, now: float) -> list[int]:
    if asked.at and asked.every:
        raise FailedError("--at names the releases one by one; --every does not go with it")
    try:
        if asked.at:
            return chosen_starts(asked.at, asked.span, now)
        return regular_starts(asked.span, every, length, now)
    except ValueError as error:
        raise FailedError(str(error)) from None


async def _replay(replay: Replay, starts: list[int], out: Output) -> list[Release]:
    """All of them; on a terminal one sees how far it is."""
    found: list[Release] = []
    with ExitStack() as stack:
        console = out.console()
        status: Status | None = None
        if console is not None:
            status = stack.enter_context(console.status(f"replaying {len(starts)} releases"))
        async for release in replay.releases(starts):
            found.append(release)
            if status is not None:
                status.update(f"replayed {len(found)} of {len(starts)} releases")
    return found
