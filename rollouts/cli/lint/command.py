"""``lint``: the verb. Owns reading files, folders and standard input, and the exit code."""

import contextlib
import gc
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from rollouts.cli.common import ExampleCommand, FailedError, print_object

_ENDINGS = (".yaml", ".yml", ".json")


@click.command(
    cls=ExampleCommand,
    examples=["lint -f rollout.yaml", "lint -f manifests/ -R", "helm template . | {} lint -f -"],
)
@click.option(
    "-f",
    "--filename",
    "names",
    type=click.Path(allow_dash=True),
    multiple=True,
    required=True,
    help="File, folder, or - for standard input; may be repeated.",
)
@click.option("-R", "--recursive", is_flag=True, help="Look into folders within folders.")
@click.option(
    "--strict-refs",
    is_flag=True,
    help="Services and templates that are not in the files are errors, not warnings.",
)
@click.option("-o", "--output", type=click.Choice(["json"]), help="Print findings as JSON.")
def lint(names: tuple[str, ...], *, recursive: bool, strict_refs: bool, output: str | None) -> int:
    """Check manifests offline: fields, values, conditions, and what refers to what.

    Every finding is one line, `file:line:column: error: path: message`. The exit code is 1 when
    there are errors. No cluster is asked.
    """
    with _without_collecting():
        from rollouts.cli.lint import report

        found = report.lint(texts(names, recursive=recursive), strict_references=strict_refs)
    if output:
        print_object(found.to_obj(), output)
    else:
        for finding in found.findings:
            click.echo(str(finding))
        click.echo(found.summary)
    return 1 if found.failed else 0


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Most of the work is importing, and nothing of that is garbage: a tenth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def texts(names: Iterable[str], *, recursive: bool = False) -> Iterator[tuple[str, str]]:
    """(name, text) of each file. Raises FailedError for one that cannot be read."""
    for name in names:
        if name == "-":
            yield "<stdin>", _decoded("<stdin>", sys.stdin.buffer.read())
            continue
        for path in _files(Path(name), recursive=recursive):
            try:
                yield str(path), _decoded(str(path), path.read_bytes())
            except OSError as error:
                raise FailedError(f"{path}: {error.strerror}") from None


def _files(path: Path, *, recursive: bool) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = path.rglob("*") if recursive else path.iterdir()
    files = sorted(one for one in found if one.suffix in _ENDINGS and one.is_file())
    if not files:
        raise FailedError(f"{path}: no {', '.join(_ENDINGS)} files in this folder")
    return files


def _decoded(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FailedError(f"{name}: not a text in UTF-8") from None
