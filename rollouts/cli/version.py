"""``version``: which program this is."""

import platform

import click

from rollouts import __version__
from rollouts.cli.common import ConnectCommand, data_option, print_object


@click.command(cls=ConnectCommand, examples=["version", "version --short", "version -o json"])
@click.option("--short", is_flag=True, help="Only the version.")
@data_option
def version(*, short: bool, output: str | None) -> None:
    """Show the version."""
    about = {
        "Python": platform.python_version(),
        "Platform": f"{platform.system().lower()}/{platform.machine()}",
    }
    if output:
        named = {key.lower(): value for key, value in about.items()}
        print_object({"version": f"v{__version__}", **named}, output)
        return
    click.echo(f"kubectl-argo-rollouts: v{__version__}")
    if not short:
        for key, value in about.items():
            click.echo(f"  {key}: {value}")
