"""From the names of files to a snapshot that can be served."""

from __future__ import annotations

import datetime as dt
import pwd
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headgate import config, spec
from headgate.config.model import Config
from headgate.controller.certificates.authority import LEAF_LIFE
from headgate.controller.certificates.authority import Authority as Local
from headgate.controller.certificates.findings import Finding
from headgate.controller.certificates.furnishing import Furnished, files, furnish, next_renewal
from support.certificates import Authority, Pair

AUTHORITY = Authority()
NOW = dt.datetime.now(dt.UTC)
A, B = AUTHORITY.issue("a.example"), AUTHORITY.issue("b.example")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADGATE_STATE", str(tmp_path / "state"))
    return tmp_path


def write(pair: Pair, name: str, key: str = "") -> None:
    Path(f"{name}.crt").write_text(pair.chain)
    Path(f"{name}.key").write_text(key or pair.key_pem)
    Path(f"{name}.key").chmod(0o600)


def pairs(*names: str) -> list[dict[str, str]]:
    return [{"cert": f"{name}.crt", "key": f"{name}.key"} for name in names]


def compiled(tls: Any = None, service: Any = None, **more: Any) -> spec.Snapshot:
    data = {
        "process": {"workers": 1},
        "listeners": {"web": {"bind": ":1", **({"tls": tls} if tls is not None else {})}},
        "routes": [{"name": "r", "service": "s"}],
        "services": {"s": service or {"endpoints": ["127.0.0.1:1"]}},
        **more,
    }
    return config.compile(Config.model_validate(data))


def sites(furnished: Furnished, listener: int = 0) -> tuple[spec.TlsSite, ...]:
    tls = furnished.snapshot.listeners[listener].tls
    assert tls is not None
    return tls.sites


def certificates(furnished: Furnished) -> tuple[spec.Certificate, ...]:
    return sites(furnished)[0].certificates


CERTIFICATES = ("listeners", "web", "tls", "certificates")
MISMATCH = "b.key does not belong to b.crt"


def test_what_is_in_the_files() -> None:
    write(A, "a")
    write(B, "b")
    done = furnish(compiled({"certificates": pairs("a", "b")}))
    assert done.findings == []
    assert [(each.chain, each.key.text, each.names) for each in certificates(done)] == [
        (A.chain, A.key_pem, ("a.example",)),
        (B.chain, B.key_pem, ("b.example",)),
    ]
    assert spec.decode(spec.encode(done.snapshot)) == done.snapshot


def test_a_snapshot_without_tls_is_the_same() -> None:
    snapshot = compiled()
    assert furnish(snapshot).snapshot == snapshot


def test_again_is_the_same() -> None:
    """A snapshot that has everything can be brought up to date like one that has nothing."""
    write(A, "a")
    first = furnish(compiled({"certificates": pairs("a")}))
    assert furnish(first.snapshot, first.snapshot) == first


def test_at_start_a_broken_pair_is_served_with_nothing_and_all_others_as_they_should_be() -> None:
    write(A, "a")
    write(B, "b", key=A.key_pem)
    done = furnish(compiled({"certificates": pairs("a", "b")}))
    assert done.findings == [Finding((*CERTIFICATES, 1), MISMATCH, new=False)]
    assert not done.refused
    good, bad = certificates(done)
    assert (good.broken, good.chain) == ("", A.chain)
    assert bad == spec.Certificate(
        cert_file="b.crt",
        key_file="b.key",
        names=("b.example",),
        not_after=int(B.certificate.not_valid_after_utc.timestamp()),
        broken=MISMATCH,
    )


def test_at_a_reload_a_broken_pair_is_served_on_as_it_was() -> None:
    write(B, "b")
    snapshot = compiled({"certificates": pairs("b")})
    before = furnish(snapshot)
    write(B, "b", key=A.key_pem)
    after = furnish(snapshot, before.snapshot)
    assert after.snapshot == before.snapshot
    assert after.findings == [
        Finding(
            (*CERTIFICATES, 0), f"{MISMATCH}; what was read before is served on", "", "warning", new=False
        )
    ]
    assert not after.refused
    third = furnish(snapshot, after.snapshot)
    assert third.snapshot == before.snapshot


def test_at_a_reload_a_new_pair_that_is_broken_is_refused() -> None:
    write(A, "a")
    before = furnish(compiled({"certificates": pairs("a")}))
    write(B, "b", key=A.key_pem)
    after = furnish(compiled({"certificates": pairs("a", "b")}), before.snapshot)
    assert after.findings == [Finding((*CERTIFICATES, 1), MISMATCH, new=True)]
    assert after.refused


def test_what_was_broken_and_still_is_changes_nothing() -> None:
    write(B, "b", key=A.key_pem)
    snapshot = compiled({"certificates": pairs("b")})
    before = furnish(snapshot)
    after = furnish(snapshot, before.snapshot)
    assert (after.snapshot, after.refused) == (before.snapshot, False)
    write(B, "b")
    mended = furnish(snapshot, after.snapshot)
    assert (certificates(mended)[0].chain, mended.findings) == (B.chain, [])


def test_each_pair_is_read_and_reported_once() -> None:
    write(B, "b", key=A.key_pem)
    tls = {"certificates": pairs("b"), "sites": {"x.example": {}, "y.example": {}}}
    done = furnish(compiled(tls))
    assert len(done.findings) == 1
    assert {each.broken for site in sites(done) for each in site.certificates} == {MISMATCH}


def test_a_site_that_no_certificate_fits() -> None:
    write(A, "a")
    write(AUTHORITY.issue("*.b.example"), "b")
    tls = {"certificates": pairs("a", "b"), "sites": {"x.b.example": {}, "other.example": {}}}
    assert furnish(compiled(tls)).findings == [
        Finding(
            ("listeners", "web", "tls", "sites", "other.example"),
            "no certificate of this site has the name other.example; clients refuse it",
            "",
            "warning",
        )
    ]


# --- Authorities of clients ---

CLIENTS = {"client_certificates": {"ca": "ca.crt", "crl": "ca.crl"}}


def test_authorities_of_clients() -> None:
    write(A, "a")
    Path("ca.crt").write_text("# ours\n" + AUTHORITY.pem)
    Path("ca.crl").write_text(AUTHORITY.revoke())
    done = furnish(compiled({"certificates": pairs("a")} | CLIENTS))
    clients = sites(done)[0].clients
    assert done.findings == []
    assert clients is not None
    assert (clients.ca, clients.crl, clients.broken) == (AUTHORITY.pem, AUTHORITY.revoke(), "") or clients.crl
    assert clients.ca == AUTHORITY.pem


def test_broken_authorities_of_clients_leave_no_site_open() -> None:
    write(A, "a")
    Path("ca.crt").write_text(AUTHORITY.pem)
    snapshot = compiled({"certificates": pairs("a")} | CLIENTS)
    done = furnish(snapshot)
    clients = sites(done)[0].clients
    reason = "cannot read ca.crl: no such file or directory"
    path = ("listeners", "web", "tls", "client_certificates", "crl")
    assert done.findings == [Finding(path, reason, new=False)]
    assert clients is not None
    assert (clients.ca, clients.broken) == ("", reason)
    Path("ca.crl").write_text(AUTHORITY.revoke())
    good = furnish(snapshot, done.snapshot)
    assert good.findings == []
    Path("ca.crt").unlink()
    kept = furnish(snapshot, good.snapshot)
    assert kept.snapshot == good.snapshot
    assert [(each.message, each.severity) for each in kept.findings] == [
        ("cannot read ca.crt: no such file or directory; what was read before is served on", "warning")
    ]


# --- Services ---


def test_files_of_a_service() -> None:
    write(AUTHORITY.issue("headgate", client=True), "own")
    Path("ca.crt").write_text(AUTHORITY.pem)
    tls = {"ca": "ca.crt", "certificate": "own.crt", "key": "own.key"}
    done = furnish(compiled(service={"endpoints": ["https://app"], "tls": tls}))
    found = done.snapshot.services[0].tls
    assert done.findings == []
    assert found.ca == AUTHORITY.pem
    assert found.certificate is not None
    assert found.certificate.key


def test_broken_files_of_a_service() -> None:
    tls = {"ca": "ca.crt", "certificate": "own.crt", "key": "own.key"}
    snapshot = compiled(service={"endpoints": ["https://app"], "tls": tls})
    done = furnish(snapshot)
    found = done.snapshot.services[0].tls
    assert found.broken == "cannot read ca.crt: no such file or directory"
    assert found.certificate is not None
    assert found.certificate.broken == "cannot read own.crt: no such file or directory"
    assert {each.path for each in done.findings} == {
        ("services", "s", "tls", "certificate"),
        ("services", "s", "tls", "ca"),
    }


def test_a_service_without_https_reads_nothing() -> None:
    snapshot = compiled(service={"endpoints": ["app:1"], "tls": {"ca": "ca.crt"}})
    assert (furnish(snapshot).findings, files(snapshot)) == ([], [])


def test_all_files() -> None:
    tls = {"certificates": pairs("a"), "sites": {"x.example": {"certificates": pairs("b")}}} | CLIENTS
    upstream = {"ca": "up.crt", "certificate": "own.crt", "key": "own.key"}
    snapshot = compiled(tls, {"endpoints": ["https://app"], "tls": upstream})
    expected = ["a.crt", "a.key", "b.crt", "b.key", "ca.crt", "ca.crl", "up.crt", "own.crt", "own.key"]
    assert sorted(files(snapshot)) == sorted(expected)


# --- The local authority ---


def test_internal_certificates(folder: Path) -> None:
    routes = [{"name": "r", "service": "s", "match": {"host": ["a.example", "*.b.example"]}}]
    done = furnish(compiled("internal", routes=routes))
    assert done.findings == []
    (pair,) = certificates(done)
    assert {"a.example", "*.b.example", "localhost", "127.0.0.1"} <= set(pair.names)
    assert Local.open(folder / "state").has_issued(pair, ["a.example", "*.b.example"], NOW)


def test_internal_certificates_stay_until_they_are_due() -> None:
    snapshot = compiled("internal")
    first = furnish(snapshot, now=NOW)
    assert furnish(snapshot, first.snapshot, NOW).snapshot == first.snapshot
    assert furnish(first.snapshot, first.snapshot, NOW).snapshot == first.snapshot
    due = next_renewal(first.snapshot)
    assert due == pytest.approx((NOW + LEAF_LIFE * 2 / 3).timestamp(), abs=5)
    later = dt.datetime.fromtimestamp(due + 1, dt.UTC)
    second = furnish(first.snapshot, first.snapshot, later)
    assert certificates(second)[0].chain != certificates(first)[0].chain
    assert next_renewal(second.snapshot) > later.timestamp()


def test_other_hosts_need_another_certificate() -> None:
    first = furnish(compiled("internal"))
    routes = [{"name": "r", "service": "s", "match": {"host": "new.example"}}]
    second = furnish(compiled("internal", routes=routes), first.snapshot)
    assert "new.example" in certificates(second)[0].names


def test_nothing_is_made_to_look_only(folder: Path) -> None:
    assert furnish(compiled("internal"), make=False).findings == []
    assert not (folder / "state").exists()


def test_an_authority_that_cannot_be_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "file").write_text("")
    monkeypatch.setenv("HEADGATE_STATE", str(folder / "file" / "state"))
    done = furnish(compiled("internal"))
    reason = f"the local authority cannot be kept in {folder}/file/state: not a directory"
    assert [(each.message, each.hint, each.new) for each in done.findings] == [
        (reason, "name another folder as process.state, or in HEADGATE_STATE", False)
    ]
    assert certificates(done)[0].broken == reason


def test_the_user_to_become_gets_the_authority(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise what root made at start could not be used after its rights were given up."""
    given = []
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("os.chown", lambda path, uid, gid: given.append((Path(path).name, uid, gid)))
    user = pwd.getpwnam("nobody")
    furnish(compiled("internal", process={"workers": 1, "user": "nobody"}))
    ids = (user.pw_uid, user.pw_gid)
    assert given == [("state", *ids), ("authority.pem", *ids), ("authority.crt", *ids)]


def test_nothing_is_due_without_internal_certificates() -> None:
    write(A, "a")
    assert next_renewal(furnish(compiled({"certificates": pairs("a")})).snapshot) == 0.0


def test_no_key_is_shown() -> None:
    write(A, "a")
    done = furnish(compiled({"certificates": pairs("a")}))
    secret = A.key_pem.splitlines()[1]
    with pytest.raises(TypeError):
        msgspec.json.encode(done.snapshot)
    for text in (repr(done), str(done.snapshot), str(spec.shown(done.snapshot)), repr(certificates(done))):
        assert secret not in text
        assert "PRIVATE KEY" not in text
