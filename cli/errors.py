"""A mistake of the user: one line, exit code 2, never a traceback.

The line says where, what, and what to do about it.
"""

import click

__all__ = ["CommandError"]


class CommandError(click.ClickException):
    """`place: what is wrong; what to do`."""

    exit_code = 2
