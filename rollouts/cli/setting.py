"""``set image``: a new image is a new revision.

Owns the command and finding the containers, in a Rollout or in the workload it refers to.
"""

import copy
from typing import TYPE_CHECKING, Any

import click

from rollouts.cli.common import Client, FailedError, Group, Session, session_of
from rollouts.cli.completion import rollout_name

if TYPE_CHECKING:
    from rollouts.kube.api import Obj
    from rollouts.kube.resources import Resource

_TRIES = 5
_LISTS = ("containers", "initContainers", "ephemeralContainers")


@click.group("set", cls=Group, examples=["set image shop main=shop:2"])
def set_() -> None:
    """Change a field of a Rollout."""


@set_.command("image", examples=["set image shop main=shop:2", "set image shop '*=shop:2'"])
@rollout_name
@click.argument("images", nargs=-1, required=True, metavar="CONTAINER=IMAGE...")
@session_of
def image(session: Session, name: str, images: tuple[str, ...]) -> int:
    """Set the image of a container, or of all with `*`; this starts an update."""
    wanted = dict(_pair(text) for text in images)

    async def work(client: Client) -> None:
        from rollouts.cli.holder import template_holder
        from rollouts.kube.resources import ROLLOUTS

        rollout = await client.api.get(ROLLOUTS, name, client.namespace)
        resource, target, path = template_holder(rollout)
        await _update(client, resource, target, path, wanted)
        click.echo(f'{resource.kind.lower()} "{target}" image updated')

    return session.run(work)


def _pair(text: str) -> tuple[str, str]:
    container, equals, found = text.partition("=")
    if not (container and equals and found):
        raise click.BadParameter(f"must be CONTAINER=IMAGE, not {text}")
    return container, found


async def _update(
    client: Client,
    resource: "Resource",
    name: str,
    path: tuple[str, ...],
    wanted: dict[str, str],
) -> None:
    from rollouts.kube.errors import Conflict

    for attempt in range(1, _TRIES + 1):
        obj = await client.api.get(resource, name, client.namespace)
        try:
            changed = with_images(obj, path, wanted)
            await client.api.update(resource, changed, client.namespace)
        except Conflict:
            if attempt == _TRIES:
                raise
        else:
            return


def with_images(obj: "Obj", path: tuple[str, ...], wanted: dict[str, str]) -> "Obj":
    """A copy of ``obj``, whose template is at ``path``, with other images.

    Raises FailedError for a container it does not have.
    """
    changed = copy.deepcopy(obj)
    pod: Any = changed
    for part in (*path, "spec"):
        pod = pod.get(part) or {}
    containers = [one for field in _LISTS for one in pod.get(field) or ()]
    for name, found in wanted.items():
        matching = [one for one in containers if name in ("*", one.get("name"))]
        if not matching:
            raise FailedError(f'unable to find container named "{name}"')
        for one in matching:
            one["image"] = found
    return changed
