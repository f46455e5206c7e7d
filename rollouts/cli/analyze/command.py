"""``analyze``: the verb. Owns its options, where output goes, and the exit code.

Everything heavier than click is imported when the verb is used.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from rollouts.cli.common import (
    ExampleCommand,
    FailedError,
    data_option,
    no_color_option,
)

_USAGE: Final = 2
_EXIT_CODES: Final = """\b
Exit codes:
  0    Successful (backtest: replayed, whatever the verdicts)
  1    Failed (backtest with --fail-on-abort: a release would not have passed)
  2    the command line or the files make no sense; nothing was measured
  3    Error: measurements could not be made (backtest: history could not be read)
  4    Inconclusive
  5    ended by --timeout before it was decided
  130  interrupted
"""


class _Gate(ExampleCommand):
    """A verb whose exit code is a verdict: what it cannot even begin is 2, not 1."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.show()
            ctx.exit(_USAGE)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            error.show()
        except FailedError as error:
            click.echo(f"Error: {error}", err=True)
        return _USAGE


def _pairs(_: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name):
            raise click.BadParameter(f"must be NAME=..., not {text.partition('=')[0]}")
        if name in found:
            raise click.BadParameter(f"{name} is given twice", param=option)
        found[name] = value
    return found


def _seconds(_: click.Context, __: click.Parameter, text: str | None) -> float:
    if not text:
        return 0.0
    from analysis.backtest.window import parse_span

    try:
        return parse_span(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(
    "analyze",
    cls=_Gate,
    epilog=_EXIT_CODES,
    examples=[
        "analyze -f template.yaml --arg app=shop",
        "analyze -f templates/ --template success-rate --prometheus http://localhost:9090",
        "analyze -f template.yaml --arg-file token=token.txt --timeout 10m -o json",
        "analyze -f template.yaml --arg app=shop --backtest 7d",
        "analyze -f template.yaml --arg app=shop --backtest 7d --at 2026-01-02T03:04:00Z",
    ],
)
@click.option(
    "-f",
    "--filename",
    "names",
    type=click.Path(allow_dash=True),
    multiple=True,
    required=True,
    help="File or folder with templates or an AnalysisRun, or - for standard input; repeatable.",
)
@click.option("--template", "templates", multiple=True, help="Which of them to run; repeatable.")
@click.option("--metric", "metrics", multiple=True, help="Only this metric; repeatable.")
@click.option(
    "-a",
    "--arg",
    "plain",
    multiple=True,
    callback=_pairs,
    metavar="NAME=VALUE",
    help="An argument; repeatable.",
)
@click.option(
    "--arg-file",
    "from_file",
    multiple=True,
    callback=_pairs,
    metavar="NAME=PATH",
    help="An argument that is secret: the content of a file, without its last line end.",
)
@click.option(
    "--arg-env",
    "from_env",
    multiple=True,
    callback=_pairs,
    metavar="NAME=VARIABLE",
    help="An argument that is secret: an environment variable.",
)
@click.option(
    "--prometheus",
    metavar="URL",
    default="",
    help="Ask this Prometheus, not the one the metrics name (e.g. a forwarded port).",
)
@click.option(
    "--timeout",
    "limit",
    callback=_seconds,
    metavar="TIME",
    help="End the run after this time, such as 10m, as the end of a release would.",
)
@click.option(
    "--backtest",
    "span",
    callback=_seconds,
    metavar="TIME",
    help="Replay the past, such as 7d: what would the verdicts have been? Prometheus metrics only.",
)
@click.option(
    "--every",
    callback=_seconds,
    metavar="TIME",
    help="Backtest: time between two hypothetical releases (1h).",
)
@click.option(
    "--at",
    multiple=True,
    metavar="INSTANT",
    help="Backtest: only a release that began then (2026-01-02T03:04Z); repeatable.",
)
@click.option(
    "--fail-on-abort",
    is_flag=True,
    help="Backtest: exit code 1 if a release would not pass.",
)
@data_option
@no_color_option
def analyze(  # noqa: PLR0917 - click passes options by name
    names: tuple[str, ...],
    templates: tuple[str, ...],
    metrics: tuple[str, ...],
    plain: Mapping[str, str],
    from_file: Mapping[str, str],
    from_env: Mapping[str, str],
    prometheus: str,
    limit: float,
    span: float,
    every: float,
    at: tuple[str, ...],
    output: str | None,
    *,
    fail_on_abort: bool,
    no_color: bool,
) -> int:
    """Run analysis templates against real metrics, without a cluster.

    The engine is the controller's: the same measurements, limits and verdicts. Templates that
    others include are looked for in the same files. With --backtest nothing is waited for: past
    data is judged as it would have been judged then.
    """
    import asyncio

    from rollouts.cli.analyze import live, past
    from rollouts.cli.analyze.material import Wanted, load
    from rollouts.cli.analyze.output import Output

    if not span and (every or at or fail_on_abort):
        raise click.UsageError("--every, --at and --fail-on-abort belong to --backtest")
    secret = _secret(plain, from_file, from_env)
    material = load(names, Wanted(templates, metrics, plain, secret, prometheus))
    out = Output(output, no_color=no_color)
    if not span:
        return asyncio.run(live.analyze(material, out, limit))
    asked = past.Asked(span, every, at, limit, fail_on_abort=fail_on_abort)
    return asyncio.run(past.backtest(material, out, asked))


def _secret(
    plain: Mapping[str, str], from_file: Mapping[str, str], from_env: Mapping[str, str]
) -> dict[str, str]:
    """Secret arguments by name. Raises FailedError, which never repeats a value."""
    import os

    for name in from_file.keys() & from_env.keys() | plain.keys() & {*from_file, *from_env}:
        raise FailedError(f"argument '{name}' is given twice")
    found: dict[str, str] = {}
    for name, path in from_file.items():
        try:
            found[name] = Path(path).read_text(encoding="utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not a text in UTF-8"
            raise FailedError(f"--arg-file {name}: {path}: {why}") from None
    for name, variable in from_env.items():
        if variable not in os.environ:
            raise FailedError(f"--arg-env {name}: there is no environment variable {variable}")
        found[name] = os.environ[variable]
    return found
