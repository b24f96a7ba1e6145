"""`headgate version`: versions, and how the core was built."""

from __future__ import annotations

import json
import platform
import ssl
import sys
from importlib import metadata

import click

from headgate.core import build

LIBRARIES = ("uvloop", "msgspec", "pydantic", "PyYAML", "google-re2", "aiodns", "cryptography")


def versions() -> dict[str, str]:
    """What runs here, as names and versions; also says how the core was compiled."""
    return {
        "headgate": metadata.version("headgate"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "executable": sys.executable,
        "openssl": ssl.OPENSSL_VERSION,
        **{library.lower(): metadata.version(library) for library in LIBRARIES},
        "core compiler": build.compiler(),
        "core flags": build.flags(),
        "core cython": build.cython(),
    }


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def command(as_json: bool) -> None:
    """Print the versions of Headgate and what it runs on, and how the core was built."""
    found = versions()
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    width = max(map(len, found))
    for name, value in found.items():
        click.echo(f"{name:<{width}}  {value}")
