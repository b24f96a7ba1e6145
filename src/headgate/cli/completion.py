"""`headgate completion SHELL`: the script that makes a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from headgate.cli.commands import headgate

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash   echo 'eval "$(headgate completion bash)"' >> ~/.bashrc
    zsh    echo 'eval "$(headgate completion zsh)"' >> ~/.zshrc
    fish   headgate completion fish > ~/.config/fish/completions/headgate.fish
    """
    completion = get_completion_class(shell)
    assert completion is not None
    click.echo(completion(headgate, {}, "headgate", "_HEADGATE_COMPLETE").source())
