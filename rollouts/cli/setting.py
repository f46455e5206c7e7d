"""``set image``: a new image is a new revision.

Owns the command and finding the containers, in a Rollout or in the Deployment it refers to.
"""

import copy
from typing import TYPE_CHECKING, Any

import click

from rollouts.cli.common import Client, FailedError, Group, Session, session_of

if TYPE_CHECKING:
    from rollouts.kube.api import Obj
    from rollouts.kube.resources import Resource

_TRIES = 5
_LISTS = ("containers", "initContainers", "ephemeralContainers")


@click.group("set", cls=Group)
def set_() -> None:
    """Change a field of a Rollout."""


@set_.command("image", examples=["set image shop main=shop:2", "set image shop '*=shop:2'"])
@click.argument("name")
@click.argument("images", nargs=-1, required=True, metavar="CONTAINER=IMAGE...")
@session_of
def image(session: Session, name: str, images: tuple[str, ...]) -> int:
    """Set the image of a container, or of all with `*`; this starts an update."""
    wanted = dict(_pair(text) for text in images)

    async def work(client: Client) -> None:
        from rollouts.kube.resources import DEPLOYMENTS, ROLLOUTS

        rollout = await client.api.get(ROLLOUTS, name, client.namespace)
        ref = (rollout.get("spec") or {}).get("workloadRef")
        if not ref:
            await _update(client, ROLLOUTS, name, wanted)
            click.echo(f'rollout "{name}" image updated')
            return
        if ref.get("kind") != "Deployment":
            raise FailedError(f"cannot set the image of a {ref.get('kind')}: set it there yourself")
        await _update(client, DEPLOYMENTS, ref["name"], wanted)
        click.echo(f'deployment "{ref["name"]}" image updated')

    return session.run(work)


def _pair(text: str) -> tuple[str, str]:
    container, equals, found = text.partition("=")
    if not (container and equals and found):
        raise click.BadParameter(f"must be CONTAINER=IMAGE, not {text}")
    return container, found


async def _update(client: Client, resource: "Resource", name: str, wanted: dict[str, str]) -> None:
    from rollouts.kube.errors import Conflict

    for attempt in range(1, _TRIES + 1):
        obj = await client.api.get(resource, name, client.namespace)
        try:
            await client.api.update(resource, with_images(obj, wanted), client.namespace)
        except Conflict:
            if attempt == _TRIES:
                raise
        else:
            return


def with_images(obj: "Obj", wanted: dict[str, str]) -> "Obj":
    """A copy of ``obj`` with other images. Raises FailedError for a container it does not have."""
    changed = copy.deepcopy(obj)
    pod: Any = ((changed.get("spec") or {}).get("template") or {}).get("spec") or {}
    containers = [one for field in _LISTS for one in pod.get(field) or ()]
    for name, found in wanted.items():
        matching = [one for one in containers if name in ("*", one.get("name"))]
        if not matching:
            raise FailedError(f'unable to find container named "{name}"')
        for one in matching:
            one["image"] = found
    return changed
