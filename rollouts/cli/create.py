"""``create``: objects from files, and an AnalysisRun from a template.

Owns the commands and which kinds may be created. Files are read as strictly as ``lint`` does, so
that a misspelt field is refused rather than dropped.
"""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from rollouts.cli.common import (
    Client,
    FailedError,
    Group,
    Session,
    name_of,
    no_color_option,
    output_option,
    print_object,
    session_of,
)

if TYPE_CHECKING:
    from rollouts.kube.api import Obj
    from rollouts.kube.resources import Resource

_KINDS: Final = {"ar": "analysisrun", "analysisruns": "analysisrun"}
_WATCHED: Final = ("Rollout", "Experiment")
_files_option: Final = functools.partial(click.option, type=click.Path(allow_dash=True))


@click.group(
    "create",
    cls=Group,
    aliases=_KINDS,
    invoke_without_command=True,
    examples=["create -f rollout.yaml", "create -f rollout.yaml --watch"],
)
@_files_option("-f", "--filename", "names", multiple=True, help="File, folder, or - for stdin.")
@click.option("-w", "--watch", is_flag=True, help="Show what becomes of it, until Ctrl-C.")
@output_option
@no_color_option
@session_of
@click.pass_context
def create(
    ctx: click.Context,
    session: Session,
    /,
    *,
    names: tuple[str, ...],
    watch: bool,
    output: str | None,
    no_color: bool,
) -> int | None:
    """Create Rollouts, Experiments, AnalysisTemplates and AnalysisRuns."""
    if ctx.invoked_subcommand is not None:
        return None
    if not names:
        raise click.UsageError("Missing option '-f' / '--filename'.", ctx)
    objects = _objects(names)
    if watch and len(objects) > 1:
        raise FailedError("Cannot watch multiple resources")
    if watch and objects[0]["kind"] not in _WATCHED:
        raise FailedError("Can only watch resources of type Rollout or Experiment")

    async def work(client: Client) -> None:
        from rollouts.cli.get import watch_tree
        from rollouts.cli.style import wants_color

        for obj in objects:
            created = await _create(client, obj)
            _tell(created, output)
        if watch:
            kind, name = created["kind"].lower(), created["metadata"]["name"]
            color = wants_color(no_color=no_color)
            await watch_tree(client, name, click.echo, kind=kind, color=color)

    return session.run(work)


@create.command(
    "analysisrun",
    examples=[
        "create analysisrun --from success-rate -a app=shop",
        "create analysisrun --from success-rate --global --name check-1",
        "create analysisrun --from-file template.yaml -a app=shop",
    ],
)
@click.option("--from", "template", default="", help="Template in the cluster.")
@_files_option("--from-file", "file", default="", help="File that holds the template.")
@click.option("--global", "everywhere", is_flag=True, help="It is a ClusterAnalysisTemplate.")
@click.option(
    "-a", "--argument", "arguments", multiple=True, metavar="NAME=VALUE", help="May be repeated."
)
@click.option("--name", default="", help="Name of the run.")
@click.option("--generate-name", "prefix", default="", help="Beginning of a generated name.")
@click.option("--instance-id", default="", help="Instance id of the controller that shall run it.")
@output_option
@session_of
def analysis_run(
    session: Session,
    /,
    *,
    template: str,
    file: str,
    everywhere: bool,
    arguments: tuple[str, ...],
    name: str,
    prefix: str,
    instance_id: str,
    output: str | None,
) -> int:
    """Create an AnalysisRun from a template."""
    if bool(template) == bool(file):
        raise FailedError("one of --from or --from-file must be specified")
    given = dict(_pair(text) for text in arguments)
    local = _objects([file]) if file else []

    async def work(client: Client) -> None:
        from rollouts.cli import analysisrun

        source = await analysisrun.source(client, template, local, cluster_scope=everywhere)
        for unused in analysisrun.unused(source, given):
            click.echo(f'Warning: the template has no argument "{unused}"', err=True)
        body = analysisrun.body(source, given, name=name, prefix=prefix, instance_id=instance_id)
        _tell(await _create(client, body), output)

    return session.run(work)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (equals and name):
        raise FailedError(f"arguments must be in the form NAME=VALUE, not {text}")
    return name, value


def _tell(obj: "Obj", output: str | None) -> None:
    if output:
        print_object(obj, output)
    else:
        click.echo(f"{name_of(obj)} created")


async def _create(client: Client, obj: "Obj") -> "Obj":
    resource = _resource(obj)
    namespace = obj["metadata"].get("namespace") or client.namespace
    return await client.api.create(resource, obj, namespace if resource.namespaced else None)


def _resource(obj: "Obj") -> "Resource":
    """Raises FailedError for kinds that are kubectl's business."""
    from rollouts.kube import resources

    found = {
        (one.api_version, one.kind): one
        for one in (
            resources.ROLLOUTS,
            resources.EXPERIMENTS,
            resources.ANALYSIS_TEMPLATES,
            resources.CLUSTER_ANALYSIS_TEMPLATES,
            resources.ANALYSIS_RUNS,
        )
    }.get((obj.get("apiVersion", ""), obj.get("kind", "")))
    if found is None:
        group = str(obj.get("apiVersion") or "").rpartition("/")[0]
        raise FailedError(f"creates of {group}/{obj.get('kind') or ''} unsupported")
    return found


def _objects(names: Sequence[str]) -> "list[Obj]":
    """All objects of the files. Raises FailedError for the first that cannot be created so."""
    from rollouts.cli.files import documents, refuse_misspelt

    found: list[Any] = []
    for document in documents(names):
        _resource(document.obj)
        refuse_misspelt(document)
        found.append(document.obj)
    if not found:
        raise FailedError("no objects in the files given")
    return found
