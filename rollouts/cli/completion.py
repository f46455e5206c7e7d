"""``completion``: what a shell needs to complete commands and names.

Owns the scripts' command, the protocol by which kubectl asks its plugins, and completing names from
the cluster. Whatever fails here must stay silent: nobody wants an error under the cursor.
"""

from collections.abc import Callable
from typing import Any, Final

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from rollouts.cli.common import (
    Client,
    ExampleCommand,
    FailedError,
    Session,
    session_of,
)

_SECONDS: Final = 3.0
_MOST: Final = 500
_NO_FILES: Final = ":4"  # cobra: complete nothing else, least of all file names


@click.command(
    "completion",
    cls=ExampleCommand,
    examples=[
        "completion bash > ~/.local/share/bash-completion/completions/rollouts",
        "completion zsh > ~/.zfunc/_rollouts",
        "completion fish > ~/.config/fish/completions/rollouts.fish",
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
@session_of
def completion(session: Session, ctx: click.Context, shell: str) -> None:
    """Print a completion script for a shell.

    For `kubectl argo rollouts`, put an executable called kubectl_complete-argo-rollouts on the PATH
    that runs: kubectl argo rollouts __complete "$@"
    """
    found = get_completion_class(shell)
    if found is None:
        raise FailedError(f"no completion for {shell}")
    name = session.program.replace("kubectl argo", "kubectl-argo").replace(" ", "-")
    click.echo(found(ctx.find_root().command, {}, name, session.complete_variable).source())


@click.command(
    "__complete",
    hidden=True,
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
@session_of
def complete(session: Session, ctx: click.Context, words: tuple[str, ...]) -> None:
    """Answer kubectl: one candidate a line, then what else may be completed."""
    *before, last = words or ("",)
    asked = ShellComplete(
        ctx.find_root().command, {"obj": session}, session.program, session.complete_variable
    )
    for item in asked.get_completions(before, last):
        click.echo(f"{item.value}\t{item.help}" if item.help else item.value)
    click.echo(_NO_FILES)


def names_of(
    resource: str,
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Completes names of objects; ``resource`` is a constant of ``kube.resources``."""

    def complete_names(
        ctx: click.Context, _: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        session = ctx.find_object(Session)
        if session is None:
            return []
        try:
            return _found(session, ctx, resource, incomplete)
        except Exception:  # noqa: BLE001 - no cluster, no rights, a wrong flag: no candidates
            return []

    return complete_names


def _found(
    session: Session, ctx: click.Context, resource: str, incomplete: str
) -> list[CompletionItem]:
    import asyncio

    from rollouts.kube import resources

    for key, value in _flags(ctx).items():
        session.flags.setdefault(key, value)
    items: list[CompletionItem] = []

    async def work(client: Client) -> None:
        kind: resources.Resource = getattr(resources, resource)
        where = client.namespace if kind.namespaced else None
        async with asyncio.timeout(_SECONDS):
            page = await client.api.list(kind, where, limit=_MOST)
        names = (item["metadata"]["name"] for item in page["items"])
        items.extend(CompletionItem(name) for name in sorted(names) if name.startswith(incomplete))

    session.run(work)
    return items


def _flags(ctx: click.Context | None) -> dict[str, Any]:
    """Flags of the connection that were written so far; the innermost counts."""
    from dataclasses import fields

    from rollouts.kube.config import ConnectOptions

    known = {field.name for field in fields(ConnectOptions)}
    found: dict[str, Any] = {}
    while ctx is not None:
        own = {key: value for key, value in ctx.params.items() if key in known and value}
        found = {**own, **found}
        ctx = ctx.parent
    return found


rollout_name: Final = click.argument("name", shell_complete=names_of("ROLLOUTS"))
rollout_names: Final = click.argument(
    "names", nargs=-1, required=True, metavar="NAME...", shell_complete=names_of("ROLLOUTS")
)
experiment_names: Final = click.argument(
    "names", nargs=-1, required=True, metavar="NAME...", shell_complete=names_of("EXPERIMENTS")
)
run_names: Final = click.argument(
    "names", nargs=-1, required=True, metavar="NAME...", shell_complete=names_of("ANALYSIS_RUNS")
)
experiment_name: Final = click.argument("name", shell_complete=names_of("EXPERIMENTS"))
run_name: Final = click.argument("name", shell_complete=names_of("ANALYSIS_RUNS"))
