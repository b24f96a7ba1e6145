"""What is found in the interpreter's OpenSSL, and what is said when it cannot be used."""

from __future__ import annotations

import ssl
import subprocess
import sys
from textwrap import dedent

import pytest

from headgate.core.openssl import REASON, OpenSslMissing
from headgate.core.tls import TlsContext


def test_this_interpreter_s_can_be_used() -> None:
    assert REASON == ""


def said_after(*lines: str) -> str:
    """Why OpenSSL cannot be used in an interpreter that ran these lines; what a context then raises."""
    program = dedent("""
        import _ssl, ssl
        {lines}
        from headgate.core.openssl import REASON, OpenSslMissing
        from headgate.core.tls import TlsContext
        print(REASON)
        try:
            TlsContext(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        except OpenSslMissing as error:
            assert str(error) == REASON
        else:
            print("it can be used")
    """).format(lines="\n".join(lines))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_an_interpreter_that_nothing_was_done_to() -> None:
    assert said_after("pass") == "it can be used"


@pytest.mark.parametrize(
    ("text", "version"),
    [("OpenSSL 1.1.0l  10 Sep 2019", (1, 1, 0, 12, 15)), ("LibreSSL 3.9.2", (2, 0, 0, 0, 0))],
)
def test_what_is_too_old_or_another_library(text: str, version: tuple[int, ...]) -> None:
    said = said_after(f"ssl.OPENSSL_VERSION = {text!r}", f"ssl.OPENSSL_VERSION_INFO = {version}")
    assert said == f"{text} is not OpenSSL 1.1.1 or later"


def test_functions_that_are_missing() -> None:
    """As in an interpreter that has OpenSSL built in, and hides it."""
    said = said_after("from headgate.core import events", "_ssl.__file__ = events.__file__")
    names = "SSL_CTX_ctrl, SSL_CTX_get_options, SSL_CTX_set_options and more"
    assert said == f"the OpenSSL of {sys.executable} lacks {names}"


def test_a_library_that_is_gone() -> None:
    assert said_after("_ssl.__file__ = '/nowhere/_ssl.so'") == "/nowhere/_ssl.so cannot be opened"


@pytest.mark.parametrize(("name", "value"), [("options", "0"), ("verify_mode", "ssl.CERT_OPTIONAL")])
def test_contexts_of_another_layout(name: str, value: str) -> None:
    """What `ssl` says of a context must be what the SSL_CTX says that was found in it."""
    said = said_after(f"ssl.SSLContext.{name} = property(lambda self: {value}, lambda self, value: None)")
    assert said == f"contexts of Python {sys.version.split()[0]} have an unknown layout"


def test_a_context_that_says_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    monkeypatch.setattr(ssl.SSLContext, "verify_mode", ssl.CERT_REQUIRED)
    with pytest.raises(OpenSslMissing, match="not one that the interpreter's OpenSSL made"):
        TlsContext(context)
