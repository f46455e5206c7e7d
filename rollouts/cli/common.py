"""What all verbs share: kubectl's flags, lazy imports, the way to a cluster, readable failures.

Owns click plumbing only; no verb's meaning. Imports nothing heavy, because it is loaded for
``--help`` too. Used by ``main`` and by every verb.
"""

import contextlib
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import click

from rollouts import __version__

if TYPE_CHECKING:
    from rollouts.kube.api import KubeApi, Obj
    from rollouts.runtime.clock import Clock

CONTEXT: Final = {"help_option_names": ["-h", "--help"]}


class FailedError(Exception):
    """The command did not do what it should; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Client:
    """What a verb works with: a cluster, the namespace that was asked for, and the time."""

    api: "KubeApi"
    namespace: str
    clock: "Clock"
    program: str


@dataclass(slots=True)
class Session:
    """One invocation. ``connect`` opens the cluster that ``flags`` name."""

    program: str
    connect: "Callable[[Session], AbstractAsyncContextManager[Client]] | None" = None
    flags: dict[str, Any] = field(default_factory=dict)

    @property
    def complete_variable(self) -> str:
        """The environment variable by which a shell's script asks for candidates."""
        return f"_{self.program.replace(' ', '_').replace('-', '_').upper()}_COMPLETE"

    def run(self, work: Callable[[Client], Awaitable[int | None]]) -> int:
        """Connect, do the work, disconnect; the exit code."""
        import asyncio

        return asyncio.run(self._run(work))

    async def _run(self, work: Callable[[Client], Awaitable[int | None]]) -> int:
        async with (self.connect or _connect)(self) as client:
            return await work(client) or 0


@contextlib.asynccontextmanager
async def _connect(session: Session) -> AsyncIterator[Client]:
    import random

    from rollouts.kube.client import HttpKubeApi
    from rollouts.kube.config import ConnectOptions, connect
    from rollouts.runtime.clock import SystemClock

    _quiet_logs()
    connection = await connect(ConnectOptions(**session.flags))
    agent = f"kubectl-argo-rollouts/{__version__}"
    async with HttpKubeApi(connection, rng=random.Random(), user_agent=agent) as api:
        yield Client(api, connection.namespace, SystemClock(), session.program)


def _quiet_logs() -> None:
    """What a verb has to say, it says itself; retries of the transport are not news."""
    import logging

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def failure_of(error: Exception) -> str | None:
    """What to tell the user of a failure; None for a mistake of the program itself."""
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, FailedError):
        return str(error)
    from rollouts.kube.config import ConfigError
    from rollouts.kube.errors import ApiError

    return str(error) if isinstance(error, ApiError | ConfigError) else None


# --- flags ----------------------------------------------------------------------------------------


def _seconds(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    if not value:
        return None
    from analysis.times import parse_duration

    try:
        return parse_duration(value) if not value.isdigit() else float(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _flags(*, hidden: bool) -> list[click.Option]:
    """The flags of kubectl itself, named after the fields of ConnectOptions."""

    def text(*names: str, words: str, **more: Any) -> click.Option:
        return click.Option(names, help=words, hidden=hidden, **more)

    return [
        text("-n", "--namespace", words="Namespace; the context's own if not given."),
        text("--kubeconfig", words="Path of the kubeconfig file."),
        text("--context", words="Context of the kubeconfig."),
        text("--cluster", words="Cluster of the kubeconfig."),
        text("--user", words="User of the kubeconfig."),
        text("-s", "--server", words="Address of the API server."),
        text("--token", words="Bearer token."),
        text("--certificate-authority", words="File that signs the server's certificate."),
        text("--client-certificate", words="Client certificate file."),
        text("--client-key", words="Client key file."),
        text("--tls-server-name", words="Name expected in the server's certificate."),
        text(
            "insecure",
            "--insecure-skip-tls-verify",
            words="Do not check the server's certificate.",
            is_flag=True,
            default=None,
        ),
        text(
            "--request-timeout",
            words="Time for one request, such as 5s.",
            callback=_seconds,
        ),
        text("as_user", "--as", words="Act as this user."),
        text("--as-uid", words="Act as the user with this UID."),
        text("as_groups", "--as-group", words="Act as a member of this group.", multiple=True),
        text("cache_dir", "--cache-dir", words="Accepted for kubectl's sake; nothing is cached."),
        text("loglevel", "--loglevel", words="Accepted for compatibility; errors are printed."),
        text(
            "kloglevel",
            "-v",
            "--kloglevel",
            words="Accepted for compatibility; errors are printed.",
        ),
    ]


_IGNORED: Final = ("cache_dir", "loglevel", "kloglevel")


def _collect(context: click.Context, names: set[str]) -> None:
    """Move common flags from the command's own parameters to the session; the innermost wins."""
    session = context.find_object(Session)
    for name in names:
        value = context.params.pop(name, None)
        if session is not None and name not in _IGNORED and value:
            session.flags[name] = value


class ExampleCommand(click.Command):
    """A verb whose help ends with examples.

    ``examples``: command lines without the program's name, or with ``{}`` in its place.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._examples = examples
        self.context_settings.update(CONTEXT)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        program = ctx.find_root().info_name or ""
        if self._examples:
            with formatter.section("Examples"):
                for example in self._examples:
                    line = example if "{}" in example else f"{{}} {example}"
                    formatter.write_text(line.replace("{}", program))
        super().format_epilog(ctx, formatter)


class ConnectCommand(ExampleCommand):
    """A verb that talks to a cluster: accepts kubectl's flags in any position."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._common = add_flags(self, hidden=True)
        self.epilog = self.epilog or "kubectl's flags (-n, --context, --as, ...) work here too."

    def invoke(self, ctx: click.Context) -> Any:
        _collect(ctx, self._common)
        return super().invoke(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [one for arg in args for one in _spelled(self, arg)])


def _spelled(command: click.Command, arg: str) -> list[str]:
    """``--watch=false`` is how kubectl's users write it; click knows ``--no-watch``."""
    flag, equals, value = arg.partition("=")
    if not equals or value not in ("true", "false"):
        return [arg]
    for option in command.params:
        if isinstance(option, click.Option) and option.is_flag and flag in option.opts:
            return [flag] if value == "true" else option.secondary_opts[:1]
    return [arg]


class ConnectGroup(ExampleCommand, click.Group):
    """A group of such verbs: the flags may stand before the verb."""

    command_class = ConnectCommand

    def __init__(self, *args: Any, hide_flags: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._common = add_flags(self, hidden=hide_flags)

    def invoke(self, ctx: click.Context) -> Any:
        _collect(ctx, self._common)
        return super().invoke(ctx)


class Group(ConnectGroup):
    """``get``, ``list``, ``set``, ``retry``: what follows names a kind, which has short forms."""

    def __init__(self, *args: Any, aliases: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, hide_flags=True, **kwargs)
        self._aliases = aliases or {}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, self._aliases.get(cmd_name, cmd_name))


def add_flags(command: click.Command, *, hidden: bool) -> set[str]:
    """Give ``command`` the common flags it does not define itself; their names."""
    own = {option for parameter in command.params for option in parameter.opts}
    flags = [flag for flag in _flags(hidden=hidden) if not own & set(flag.opts)]
    command.params.extend(flags)
    return {flag.name for flag in flags if flag.name}


class LazyGroup(click.Group):
    """``verbs``: name → (``module:attribute``, help); modules are imported on use.

    A verb without help is for programs and is not listed.
    """

    def __init__(self, *args: Any, verbs: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._verbs = verbs

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return [verb for verb, (_, words) in self._verbs.items() if words]

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._verbs:
            return None
        module, _, attribute = self._verbs[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, words) for verb, (_, words) in self._verbs.items() if words])


# --- shared by verbs ------------------------------------------------------------------------------

session_of: Final = click.make_pass_decorator(Session)
output_option: Final = click.option(
    "-o", "--output", type=click.Choice(["json", "yaml", "name"]), help="Print the object itself."
)
data_option: Final = click.option(
    "-o", "--output", type=click.Choice(["json", "yaml"]), help="Print for programs."
)
no_color_option: Final = click.option("--no-color", is_flag=True, help="Print without colours.")


def print_object(obj: Any, form: str) -> None:
    """An API object as JSON or YAML on stdout, or its name (of a List: the items' names)."""
    if form == "name":
        for one in obj.get("items", [obj]):
            click.echo(name_of(one))
    elif form == "yaml":
        import yaml

        click.echo(yaml.safe_dump(obj, sort_keys=True), nl=False)
    else:
        import orjson

        text = orjson.dumps(obj, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
        click.echo(text.decode())


def name_of(obj: "Obj") -> str:
    """``rollout.argoproj.io/shop``, as kubectl names objects."""
    group = obj["apiVersion"].rpartition("/")[0]
    kind = f"{obj['kind'].lower()}.{group}" if group else obj["kind"].lower()
    return f"{kind}/{obj['metadata']['name']}"
