"""The two programs: ``rollouts`` and ``kubectl-argo-rollouts`` (``kubectl argo rollouts``).

Owns the list of verbs and how failures end the process: one line ``Error: ...`` on stderr and exit
code 1, as kubectl does. Imports click and nothing heavier; a verb's module is imported when the
verb is used, which keeps ``--help`` fast.
"""

import sys
from typing import Final

import click

from rollouts.cli.common import ConnectGroup, LazyGroup, Session, failure_of

_VERBS: Final = {
    "get": ("rollouts.cli.get:get", "Show a Rollout and everything it owns as a tree."),
    "list": ("rollouts.cli.listing:list_", "List Rollouts or Experiments, one line each."),
    "create": ("rollouts.cli.create:create", "Create objects from files, or an AnalysisRun."),
    "status": ("rollouts.cli.status:status", "Show the phase of a Rollout and wait for its end."),
    "why": ("rollouts.cli.why:why", "Say what a Rollout or an Experiment waits for."),
    "set": ("rollouts.cli.setting:set_", "Change the image of a container."),
    "promote": ("rollouts.cli.steer:promote", "Go on from a pause, or skip the rest."),
    "abort": ("rollouts.cli.steer:abort", "Go back to the stable revision."),
    "retry": ("rollouts.cli.steer:retry", "Try an aborted update or a finished experiment again."),
    "undo": ("rollouts.cli.undo:undo", "Roll back to an earlier revision."),
    "pause": ("rollouts.cli.steer:pause", "Stop making progress."),
    "restart": ("rollouts.cli.steer:restart", "Replace all pods, a few at a time."),
    "terminate": ("rollouts.cli.steer:terminate", "End an analysis run or an experiment."),
    "analyze": (
        "rollouts.cli.analyze.command:analyze",
        "Run analysis templates on real metrics, now or in the past, without a cluster.",
    ),
    "lint": ("rollouts.cli.lint.command:lint", "Check manifests offline, before applying them."),
    "completion": (
        "rollouts.cli.completion:completion",
        "Print a completion script for a shell.",
    ),
    "__complete": ("rollouts.cli.completion:complete", ""),
    "version": ("rollouts.cli.version:version", "Show the version."),
    "controller": ("rollouts.cli.controller:command", "Run the controller."),
    "sandbox": ("rollouts.cli.sandbox:sandbox", "Run an embedded cluster on this machine."),
    "demo": ("rollouts.cli.demo:command", "Show a whole release, start to end."),
}
_CLUSTER_ONLY: Final = {"controller", "sandbox", "demo"}


def program(name: str, *, plugin: bool = False) -> click.Group:
    """The command tree; ``name`` is how users call it."""
    verbs = {
        verb: target for verb, target in _VERBS.items() if not (plugin and verb in _CLUSTER_ONLY)
    }
    return _Root(
        name=name,
        verbs=verbs,
        help="Progressive delivery for Kubernetes: watch, steer and understand Rollouts.",
        epilog=f"Example: {name} get rollout shop --watch",
    )


class _Root(LazyGroup, ConnectGroup):
    """The program itself: common flags before the verb count as well."""


def run(root: click.Group, args: list[str], session: Session) -> int:
    """Run one command line; the exit code."""
    try:
        result = root.main(
            args,
            prog_name=root.name,
            complete_var=session.complete_variable,
            standalone_mode=False,
            obj=session,
        )
    except click.UsageError as error:
        error.show()
        return 1
    except click.exceptions.Abort:
        return 130
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        text = failure_of(error)
        if text is None:
            raise
        click.echo(f"Error: {text}", err=True)
        return 1
    return result if isinstance(result, int) else 0


def main() -> None:
    """``rollouts``."""
    sys.exit(run(program("rollouts"), sys.argv[1:], Session("rollouts")))


def plugin() -> None:
    """``kubectl argo rollouts``; controller, sandbox and demo are not part of it."""
    name = "kubectl argo rollouts"
    sys.exit(run(program(name, plugin=True), sys.argv[1:], Session(name)))


if __name__ == "__main__":
    main()
