"""``version``: which program this is."""

import platform

import click

from rollouts import __version__
from rollouts.cli.common import ConnectCommand


@click.command(cls=ConnectCommand, examples=["version", "version --short"])
@click.option("--short", is_flag=True, help="Only the version.")
def version(*, short: bool) -> None:
    """Show the version."""
    click.echo(f"kubectl-argo-rollouts: v{__version__}")
    if not short:
        click.echo(f"  Python: {platform.python_version()}")
        click.echo(f"  Platform: {platform.system().lower()}/{platform.machine()}")
