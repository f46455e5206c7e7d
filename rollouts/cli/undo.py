"""``undo``: make an earlier revision the wanted one again.

Owns the command and finding the revision among the ReplicaSets a Rollout owns.
"""

from typing import TYPE_CHECKING

import click

from rollouts.cli.common import Client, ConnectCommand, FailedError, Session, session_of
from rollouts.cli.completion import rollout_name

if TYPE_CHECKING:
    from rollouts.kube.api import Obj


@click.command(cls=ConnectCommand, examples=["undo shop", "undo shop --to-revision=3"])
@rollout_name
@click.option("--to-revision", type=int, default=0, help="Revision; 0 is the previous one.")
@session_of
def undo(session: Session, name: str, to_revision: int) -> int:
    """Roll back to an earlier revision; the steps of the strategy apply."""

    async def work(client: Client) -> None:
        await roll_back(client, name, to_revision)

    return session.run(work)


async def roll_back(client: Client, name: str, revision: int) -> None:
    """Replace the pod template by that of ``revision``; 0 is the one before the newest."""
    from rollouts.api import labels
    from rollouts.cli.holder import template_holder
    from rollouts.cli.objects import list_all
    from rollouts.cli.tree import owned
    from rollouts.kube.api import PatchType
    from rollouts.kube.resources import REPLICA_SETS, ROLLOUTS
    from rollouts.planner.template import same_pods

    rollout = await client.api.get(ROLLOUTS, name, client.namespace)
    found = await list_all(client.api, REPLICA_SETS, client.namespace, labels.POD_TEMPLATE_HASH)
    template = template_of(name, owned(found, rollout), revision)
    resource, target, path = template_holder(rollout)
    current = await client.api.get(resource, target, client.namespace)
    for part in path:
        current = current.get(part) or {}
    if same_pods(current, template):
        click.echo(f"skipped rollback (current template already matches revision {revision})")
        return
    patch = [{"op": "replace", "path": "/" + "/".join(path), "value": template}]
    await client.api.patch(resource, target, patch, client.namespace, type=PatchType.JSON)
    click.echo(f"rollout '{name}' undo")


def template_of(name: str, replica_sets: "list[Obj]", revision: int) -> "Obj":
    """The pod template of a revision as it was written: nothing the controller put there.

    Raises FailedError where there is no such revision.
    """
    from rollouts.api.injected import without_injections
    from rollouts.cli.tree import revision_of

    known = {number: rs for rs in replica_sets if (number := revision_of(rs))}
    if revision == 0:
        if len(known) < 2:
            raise FailedError(f'no revision found for rollout "{name}"')
        revision = sorted(known)[-2]
    if revision not in known:
        raise FailedError(f"unable to find specified revision {revision} in history")
    return without_injections(known[revision])
