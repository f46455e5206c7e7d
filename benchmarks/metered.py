"""``python -m benchmarks.metered REPORT controller ...``: the controller's command, with a meter.

Owns counting: CPU time of every reconcile of a Rollout (only while it runs, not while it waits),
requests by verb and kind, and what the process used. Writes one JSON file when the command ends and
changes nothing else. Started by ``benchmarks.processes``.
"""

import json
import sys
import time
import types
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from typing import Any

from benchmarks.processes import memory
from rollouts.cli.main import main
from rollouts.controllers.metrics import Metrics
from rollouts.controllers.rollout import RolloutReconciler

_Method = Callable[..., Coroutine[Any, Any, Any]]
_reconciles: list[float] = []
_requests: Counter[str] = Counter()


def metered(body: _Method, spent: list[float]) -> _Method:
    """The same coroutine function; appends to ``spent`` the CPU seconds each call has used."""

    @types.coroutine
    def steps(running: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        total, send, given = 0.0, running.send, None
        try:
            while True:
                started = time.thread_time()
                try:
                    waits_for = send(given)
                except StopIteration as end:
                    return end.value
                finally:
                    total += time.thread_time() - started
                try:
                    given, send = (yield waits_for), running.send
                except BaseException as error:  # noqa: BLE001 - handed on to where it belongs
                    given, send = error, running.throw
        finally:
            spent.append(total)

    async def call(*args: Any, **options: Any) -> Any:
        return await steps(body(*args, **options))

    return call


def _counted(request: Callable[..., None]) -> Callable[..., None]:
    def observe(self: Metrics, resource: Any, *about: Any) -> None:
        _requests[f"{about[2]} {resource.plural}"] += 1
        request(self, resource, *about)

    return observe


def _run(report: Path) -> None:
    RolloutReconciler.reconcile = metered(  # type: ignore[method-assign]
        RolloutReconciler.reconcile, _reconciles
    )
    Metrics.request = _counted(Metrics.request)  # type: ignore[method-assign]
    try:
        main()
    finally:
        found = {
            "cpu": time.process_time(),
            "peak": memory()[1],
            "requests": _requests,
            "reconciles": _reconciles,
        }
        report.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    _run(Path(sys.argv.pop(1)))
