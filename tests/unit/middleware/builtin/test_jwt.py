"""JSON Web Tokens: vectors of the RFCs, known attacks, and where keys come from."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.middleware import Fetched, FetchFailed, Reply
from headgate.middleware.builtin import jwt_keys
from headgate.middleware.builtin.jwt import Jwt, claim_of, text_of, values_of
from headgate.middleware.builtin.jwt_keys import keys_of_content
from headgate.spec import Secret
from support.hooks import Alone, exchange, made
from support.tokens import SECRET, claims, forged, jwk, jwks, part, private_key, public_pem, token

AGES = 2e9  # seconds of leeway: tokens of RFCs expired in 2011
JOE = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
RFC7515_A1_KEY = {
    "kty": "oct",
    "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
}
RFC7515_A1 = f"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{JOE}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
RFC7515_A2_KEY = {
    "kty": "RSA",
    "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL"
    "-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS"
    "-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2et"
    "hFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    "e": "AQAB",
}
RFC7515_A2 = (
    f"eyJhbGciOiJSUzI1NiJ9.{JOE}."
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdb"
    "F9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383"
    "LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWy"
    "wlVmtVrBp0igcN_IoypGlUPQGe77Rw"
)
RFC7515_A3_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
RFC7515_A3 = (
    f"eyJhbGciOiJFUzI1NiJ9.{JOE}."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
# The payloads of these two are no JSON, so that they are signatures and no tokens.
RFC7515_A4_KEY = {
    "kty": "EC",
    "crv": "P-521",
    "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
    "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
}
RFC7515_A4 = (
    "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA."
    "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgo"
    "XD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
)
RFC8037_A2_KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
RFC8037_A4 = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


def bearer(value: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}", **more}


def guard(folder: Path, content: bytes | dict[str, Any], worker: Alone | None = None, **options: Any) -> Jwt:
    """One that knows the keys of a file."""
    file = folder / "keys"
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    found = made(Jwt, {"files": [str(file)], **options}, worker)
    assert isinstance(found, Jwt)
    return found


async def outcome(middleware: Jwt, seen: Any) -> Reply | None:
    found = middleware.on_request(seen)
    return found if found is None or isinstance(found, Reply) else await found


def refused(middleware: Jwt, shown: str, said: str = "", status: int = 401) -> None:
    """Not let through, with the answer of RFC 6750."""
    seen = exchange(bearer(shown))
    reply = middleware.on_request(seen)
    assert isinstance(reply, Reply)
    assert (reply.status, seen.user) == (status, None)
    challenge = dict(reply.fields)["WWW-Authenticate"]
    error = "invalid_token" if status == 401 else "insufficient_scope"
    assert challenge.startswith(f'Bearer error="{error}", error_description="')
    assert said in challenge
    assert said.encode() in reply.body


# --- Vectors ---


@pytest.mark.parametrize(
    ("key", "vector"),
    [(RFC7515_A1_KEY, RFC7515_A1), (RFC7515_A2_KEY, RFC7515_A2), (RFC7515_A3_KEY, RFC7515_A3)],
    ids=["RFC 7515 A.1 and RFC 7519 3.1", "RFC 7515 A.2", "RFC 7515 A.3"],
)
def test_tokens_of_the_rfcs(tmp_path: Path, key: dict[str, Any], vector: str) -> None:
    middleware = guard(
        tmp_path, key, leeway=AGES, user_claim="iss", claim_headers={"http://example.com/is_root": "X-Root"}
    )
    seen = exchange(bearer(vector))
    assert middleware.on_request(seen) is None
    assert seen.user == "joe"
    assert seen.request.headers["x-root"] == "true"
    refused(middleware, vector[:-3] + "AAA")
    refused(guard(tmp_path, key), vector, "The token has expired.")


@pytest.mark.parametrize(
    ("key", "vector"),
    [(RFC7515_A4_KEY, RFC7515_A4), (RFC8037_A2_KEY, RFC8037_A4)],
    ids=["RFC 7515 A.4", "RFC 8037 A.4"],
)
def test_signatures_of_the_rfcs(tmp_path: Path, key: dict[str, Any], vector: str) -> None:
    [known] = keys_of_content("file", json.dumps(key).encode())
    (algorithm,) = known.algorithms
    jwt.PyJWS().decode_complete(vector, known.key, algorithms=[algorithm])
    refused(guard(tmp_path, key), vector, "malformed")


def test_the_unsecured_token_of_the_rfcs(tmp_path: Path) -> None:
    """RFC 7515 A.5, RFC 7519 section 6.1."""
    refused(guard(tmp_path, RFC7515_A2_KEY, leeway=AGES), f"eyJhbGciOiJub25lIn0.{JOE}.")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("form", ["pem", "jwk"])
def test_all_algorithms(tmp_path: Path, algorithm: str, form: str) -> None:
    key = public_pem(private_key(algorithm)) if form == "pem" else jwk(algorithm)
    assert guard(tmp_path, key).on_request(exchange(bearer(token(algorithm)))) is None
    assert guard(tmp_path, key, algorithms=[algorithm]).on_request(exchange(bearer(token(algorithm)))) is None


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_shared_secrets(algorithm: str) -> None:
    middleware = made(Jwt, {"secret": Secret(SECRET * 2)})
    shown = jwt.encode(claims(), SECRET * 2, algorithm)
    assert middleware.on_request(exchange(bearer(shown))) is None
    refused(
        middleware, jwt.encode(claims(), SECRET * 3, algorithm), "The signature of the token does not fit."
    )


# --- Attacks ---


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", None, 1, ["RS256"]])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_no_algorithm(tmp_path: Path, name: Any, signature: str) -> None:
    middleware = guard(tmp_path, public_pem(private_key("RS256")))
    refused(middleware, f"{part({'alg': name})}.{part(claims())}.{signature}")


@pytest.mark.parametrize("kid", [None, "one"])
def test_a_public_key_is_no_secret(tmp_path: Path, kid: str | None) -> None:
    """The confusion of RFC 8725 section 2.1: HMAC with what everybody knows."""
    pem = public_pem(private_key("RS256"))
    for content in (pem, jwks(jwk("RS256", kid="one"))):
        middleware = guard(tmp_path, content)
        for secret in (pem, pem.strip(), pem + b"\n", json.dumps(jwk("RS256")).encode(), b""):
            refused(middleware, forged({"alg": "HS256", "kid": kid}, claims(), secret))
    with pytest.raises(ValueError, match="secret: it is a public key, and no secret"):
        made(Jwt, {"secret": Secret(pem.decode())})


@pytest.mark.parametrize("kid", ["../../dev/null", "' OR 1=1 --", "", {"a": 1}, ["one"], 7, "\u0000"])
def test_nonsense_as_kid(tmp_path: Path, kid: Any) -> None:
    middleware = guard(tmp_path, jwks(jwk("RS256", kid="one")))
    refused(middleware, forged({"alg": "RS256", "kid": kid}, claims(), b""))


def test_keys_that_tokens_bring_along_are_not_used(tmp_path: Path) -> None:
    """RFC 8725 section 2.7 and 3.10."""
    middleware = guard(tmp_path, public_pem(private_key("RS256")))
    for head in (
        {"jwk": jwk("RS256", 1)},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/"},
        {"x5c": ["MIIB"]},
    ):
        shown = jwt.encode(claims(), private_key("RS256", 1), "RS256", headers=head)
        refused(middleware, shown, "The signature of the token does not fit.")


def test_a_signature_of_zeros(tmp_path: Path) -> None:
    """CVE-2022-21449: r and s are 0."""
    middleware = guard(tmp_path, jwk("ES256"))
    refused(middleware, f"{part({'alg': 'ES256'})}.{part(claims())}.{part(bytes(64))}")
    refused(middleware, f"{part({'alg': 'ES256'})}.{part(claims())}.")


def test_extensions_that_nobody_understands(tmp_path: Path) -> None:
    """RFC 7515 section 4.1.11, RFC 7797."""
    middleware = guard(tmp_path, jwk("RS256"))
    key = private_key("RS256")
    refused(middleware, jwt.encode(claims(), key, "RS256", {"crit": ["x"], "x": 1}))
    refused(middleware, jwt.encode(claims(), key, "RS256", {"crit": []}))
    signed = f"{part({'alg': 'RS256', 'b64': False, 'crit': ['b64']})}."
    refused(middleware, f"{signed}.{part(jwt.get_algorithm_by_name('RS256').sign(signed.encode(), key))}")


def test_changed_tokens(tmp_path: Path) -> None:
    middleware = guard(tmp_path, jwk("RS256"))
    head, payload, signature = token().split(".")
    other = part(claims(sub="root"))
    for shown in (
        f"{head}.{other}.{signature}",
        f"{head}.{payload}",
        f"{head}.{payload}.",
        f"{head}..{signature}",
        f".{payload}.{signature}",
        f"{head}.{payload}.{signature}.{signature}",
        f"{head}.{payload}.{signature}.{signature}.{signature}",
        f"{head}.{payload}.{signature}!",
        f"{head}.{payload}. {signature}",
        f"{head},{payload},{signature}",
        "",
        ".",
        "..",
    ):
        seen = exchange(bearer(shown))
        reply = middleware.on_request(seen)
        assert isinstance(reply, Reply)
        assert reply.status == 401


def test_a_key_is_used_as_it_says(tmp_path: Path) -> None:
    """An alg, use or key_ops in a JWK binds it."""
    middleware = guard(tmp_path, jwk("RS256", alg="RS512"))
    assert (
        middleware.on_request(exchange(bearer(jwt.encode(claims(), private_key("RS256"), "RS512")))) is None
    )
    refused(middleware, token("RS256"), "No key is known")
    refused(guard(tmp_path, jwk("RS256"), algorithms=["PS256"]), token("RS256"), "No key is known")
    for useless in ({"use": "enc"}, {"key_ops": ["sign"]}):
        with pytest.raises(ValueError, match="has no key that can verify"):
            guard(tmp_path, jwk("RS256", **useless))
    with pytest.raises(ValueError, match="key 0: its alg does not fit its kty"):
        guard(tmp_path, jwk("RS256", alg="HS256"))


def test_deep_heads_and_payloads(tmp_path: Path) -> None:
    middleware = guard(tmp_path, jwk("RS256"))
    deep = b"[" * 50_000
    refused(middleware, f"{part(deep)}.{part(claims())}.AAAA", "This is no token")
    signed = f"{part({'alg': 'RS256'})}.{part(deep)}"
    signature = jwt.get_algorithm_by_name("RS256").sign(signed.encode(), private_key("RS256"))
    refused(middleware, f"{signed}.{part(signature)}", "malformed")


@given(st.text(st.characters(codec="latin-1")))
def test_any_text_is_refused(shown: str) -> None:
    middleware = made(Jwt, {"secret": Secret(SECRET)})
    reply = middleware.on_request(exchange(bearer(shown)))
    assert reply.status == 401


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(["exp", "nbf", "iat", "iss", "aud", "sub", "jti", "role"]), JSON))
def test_whatever_a_signed_token_claims_nothing_breaks(said: dict[str, Any]) -> None:
    middleware = made(
        Jwt,
        {
            "secret": Secret(SECRET),
            "require_expiry": False,
            "claims": {"role": ["admin"]},
            "claim_headers": {"sub": "X-User", "jti": "X-Id"},
        },
    )
    seen = exchange(bearer(forged({"alg": "HS256"}, said, SECRET.encode())))
    reply = middleware.on_request(seen)
    assert reply is None or reply.status in {401, 403}
    for _, value in list(seen.request.headers.items()):
        assert value.isascii()
        assert value.isprintable()


# --- Claims ---


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"exp": 1000}, "The token has expired."),
        ({"nbf": time.time() + 1000}, "The token is not valid yet."),
        ({"iat": time.time() + 1000}, "The token is not valid yet."),
        ({"iss": "mallory"}, "The token is of another issuer."),
        ({"iss": None}, "The token is of another issuer."),
        ({"aud": "others"}, "The token is meant for somebody else."),
        ({"aud": None}, "The token has no claim aud."),
        ({"exp": "soon"}, "The token is malformed."),
        ({"exp": None}, "The token has no claim exp."),
    ],
)
def test_claims_that_do_not_fit(tmp_path: Path, said: dict[str, Any], reason: str) -> None:
    middleware = guard(tmp_path, jwk("ES256"), issuer=["joe", "ann"], audience=["api", "app"])
    right: dict[str, Any] = {"iss": "ann", "aud": ["x", "app"]}
    assert middleware.on_request(exchange(bearer(token("ES256", **right)))) is None
    shown = f"{part({'alg': 'ES256'})}.{part(claims(**{**right, **said}))}"
    signature = jwt.get_algorithm_by_name("ES256").sign(shown.encode(), private_key("ES256"))
    refused(middleware, f"{shown}.{part(signature)}", reason)


def test_leeway_is_for_clocks(tmp_path: Path) -> None:
    middleware = guard(tmp_path, jwk("ES256"), leeway=60.0)
    assert middleware.on_request(exchange(bearer(token("ES256", exp=int(time.time()) - 30)))) is None
    refused(middleware, token("ES256", exp=int(time.time()) - 90), "expired")


def test_tokens_without_an_end_only_if_that_is_allowed(tmp_path: Path) -> None:
    shown = jwt.encode({"sub": "ann"}, private_key("ES256"), "ES256")
    refused(guard(tmp_path, jwk("ES256")), shown, "The token has no claim exp.")
    assert guard(tmp_path, jwk("ES256"), require_expiry=False).on_request(exchange(bearer(shown))) is None


def test_types(tmp_path: Path) -> None:
    middleware = guard(tmp_path, jwk("ES256"), typ="at+jwt")
    right = jwt.encode(claims(), private_key("ES256"), "ES256", {"typ": "application/AT+JWT"})
    assert middleware.on_request(exchange(bearer(right))) is None
    refused(middleware, token("ES256"), "The token is of another type")


def test_claims_that_are_needed(tmp_path: Path) -> None:
    worker = Alone()
    needed = {"scope": ("read", "admin"), "realm.roles": ("staff",)}
    middleware = guard(tmp_path, jwk("ES256"), worker, required=["email"], claims=needed)
    right: dict[str, Any] = {"email": "a@b", "scope": "write read", "realm": {"roles": ["guest", "staff"]}}
    assert middleware.on_request(exchange(bearer(token("ES256", **right)))) is None
    for wrong, said in (
        ({"email": None}, "no claim email"),
        ({"scope": "readall"}, "The claim scope"),
        ({"scope": None}, "The claim scope"),
        ({"realm": ["staff"]}, "The claim realm.roles"),
    ):
        shown = token("ES256", **{**right, **wrong})
        for _ in range(2):  # remembered as well
            refused(middleware, shown, said, 403)
    assert worker.counts == {"verified": 5, "forbidden": 8}


def test_claims_to_headers(tmp_path: Path) -> None:
    fields = {"sub": "X-User", "groups": "X-Groups", "email": "X-Email", "address": "X-Address"}
    middleware = guard(tmp_path, jwk("ES256"), claim_headers=fields, remove_header=True)
    shown = token("ES256", sub="Zoë\r\nX-Admin: 1", groups=["a,b", "c"], address={"city": "Köln"})
    for _ in range(2):
        seen = exchange(bearer(shown, **{"X-Email": "root@example.com", "X-User": "root"}))
        assert middleware.on_request(seen) is None
        assert dict(seen.request.headers.items()) == {
            "x-user": "Zo%C3%AB%0D%0AX-Admin: 1",
            "x-groups": "a%2Cb,c",
            "x-address": '{"city":"K\\u00f6ln"}',
        }
        assert seen.user == "Zo%C3%AB%0D%0AX-Admin: 1"


def test_names_with_dots() -> None:
    said = {"a": {"b": {"c": 1}}, "https://x.example/roles": ["r"], "a.b": 2}
    assert claim_of(said, "a.b.c") == 1
    assert claim_of(said, "a.b") == 2
    assert claim_of(said, "https://x.example/roles") == ["r"]
    assert claim_of(said, "a.x.c") is None
    assert values_of("scope", None) == ["null"]
    assert text_of([1, "a", True]) == "1,a,true"


# --- Where the token stands ---


def test_cookies_queries_and_fields_of_ones_own(tmp_path: Path) -> None:
    shown = token("ES256")
    middleware = guard(tmp_path, jwk("ES256"), header="X-Token", cookie="session", query="access_token")
    taken: list[str] = []

    def seen(fields: dict[str, str], cookies: dict[str, str], query: list[str]) -> Any:
        def take(name: str) -> list[str]:
            taken.append(name)
            return query

        return exchange(fields, cookies=cookies, take_parameter=take)

    for right in (
        seen({"X-Token": shown}, {}, []),
        seen({"X-Token": f"Bearer {shown}"}, {}, []),
        seen({}, {"session": shown}, []),
        seen({}, {}, [shown]),
    ):
        assert middleware.on_request(right) is None
    assert taken == ["access_token"] * 4
    for wrong in (seen({}, {}, []), seen({}, {"other": shown}, []), seen({}, {}, [shown, shown])):
        reply = middleware.on_request(wrong)
        assert isinstance(reply, Reply)
        assert ("WWW-Authenticate", "Bearer") in reply.fields, "no error is told without a token"


# --- What is remembered ---


def test_a_token_is_verified_once_and_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Alone()
    middleware = guard(tmp_path, jwk("ES256"), worker, leeway=0.0)
    shown = token("ES256")
    for _ in range(3):
        assert middleware.on_request(exchange(bearer(shown))) is None
    assert worker.counts["verified"] == 1
    later = time.time() + 61
    monkeypatch.setattr(Alone, "time", staticmethod(lambda: later))
    monkeypatch.setattr(jwt.api_jwt, "datetime", Later(later))
    refused(middleware, shown, "expired")


class Later:
    """The class datetime, but later."""

    def __init__(self, now: float) -> None:
        self.moment = now

    def now(self, tz: object) -> Later:
        del tz
        return self

    def timestamp(self) -> float:
        return self.moment


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.middleware.builtin.jwt._REMEMBERED", 4)
    middleware = guard(tmp_path, jwk("ES256"))
    for number in range(10):
        assert middleware.on_request(exchange(bearer(token("ES256", jti=str(number))))) is None
    assert len(middleware._known) == 4


async def test_other_keys_in_the_file_forget(tmp_path: Path) -> None:
    middleware = guard(tmp_path, jwks(jwk("ES256"), jwk("ES384")))
    shown = token("ES256")
    assert await outcome(middleware, exchange(bearer(shown))) is None
    (tmp_path / "keys").write_bytes(jwks(jwk("ES384")))
    middleware._files.due = middleware._quiet_until = 0.0
    reply = await outcome(middleware, exchange(bearer(shown)))
    assert reply is not None
    assert reply.status == 401
    assert await outcome(middleware, exchange(bearer(token("ES384")))) is None


def test_keys_without_names_are_all_tried(tmp_path: Path) -> None:
    pem = public_pem(private_key("ES256")) + public_pem(private_key("ES256", 1))
    middleware = guard(tmp_path, pem)
    for number in (0, 1, 0, 1):
        shown = token("ES256", number, jti=str(number))
        assert middleware.on_request(exchange(bearer(shown))) is None
    refused(middleware, token("ES256", 2), "The signature of the token does not fit.")


# --- Files ---


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has neither PEM nor JSON"),
        (b"[]", "has no JWK and no JWKS"),
        (b'{"keys": 1}', "has no JWK and no JWKS"),
        (b'{"keys": []}', "has no key that can verify"),
        (b'{"keys": [1]}', "key 0: it is no object"),
        (b'{"kty": "RSA", "n": "c2VjcmV0", "e": "AQAB"}', "key 0: "),
        (b'{"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}', "key 0: it cannot be read"),
        (b'{"kty": "oct", "k": "c2VjcmV0"}', "key 0: the key is too short"),
        (b'{"kty": "new"}', "key 0: its kty or crv is not known"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "PEM that is no public key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "has a private key"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        guard(tmp_path, content)
    assert "c2VjcmV0" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_options_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no keys are known"):
        made(Jwt, {})
    with pytest.raises(ValueError, match="secret: the key is too short to be safe"):
        made(Jwt, {"secret": Secret("short")})
    with pytest.raises(ValueError, match="none of the keys fits one of `algorithms`"):
        guard(tmp_path, jwk("ES256"), algorithms=["RS256"])


@given(st.binary() | JSON.map(lambda data: json.dumps(data).encode()))
def test_any_content_has_keys_or_says_why(content: bytes) -> None:
    try:
        assert keys_of_content("file", content)
    except ValueError:
        return


# --- A JWKS URL ---


def published(*keys: dict[str, Any]) -> Fetched:
    return Fetched(200, [], jwks(*keys))


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 5000.0
        monkeypatch.setattr(Alone, "now", staticmethod(lambda: self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def remote(*answers: Fetched | FetchFailed, **options: Any) -> tuple[Jwt, Alone]:
    worker = Alone(*answers)
    return made(Jwt, {"jwks": "https://issuer.example/keys", **options}, worker), worker


async def passes(middleware: Jwt, shown: str) -> bool:
    reply = await outcome(middleware, exchange(bearer(shown)))
    fetching = middleware._fetching
    if fetching is not None:
        await fetching
    return reply is None


async def test_keys_are_fetched_once_and_again_when_they_are_old(clock: Clock) -> None:
    middleware, worker = remote(published(jwk("ES256", kid="a")), refresh=100.0)
    shown = token("ES256", kid="a")
    for moment, fetches in ((0, 1), (50, 1), (99, 1), (101, 2), (150, 2)):
        clock.now = 5000.0 + moment
        assert await passes(middleware, shown)
        assert len(worker.asked) == fetches
    assert worker.counts["verified"] == 1, "keys that stay the same forget nothing"


async def test_a_new_key_is_fetched_when_it_is_seen(clock: Clock) -> None:
    old, new = jwk("ES256", kid="old"), jwk("ES256", 1, kid="new")
    middleware, worker = remote(published(old), published(old, new), published(new))
    assert await passes(middleware, token("ES256", kid="old"))
    assert not await passes(middleware, token("ES256", 1, kid="new")), "not so soon after the first time"
    clock.now += 11
    assert await passes(middleware, token("ES256", 1, kid="new"))
    assert await passes(middleware, token("ES256", kid="old"))
    assert len(worker.asked) == 2
    clock.now += 301
    await passes(middleware, token("ES256", 1, kid="new"))
    assert not await passes(middleware, token("ES256", kid="old")), "revoked"


async def test_unknown_keys_do_not_make_a_flood(clock: Clock) -> None:
    middleware, worker = remote(published(jwk("ES256", kid="a")))
    for number in range(50):
        assert not await passes(middleware, token("ES256", 1, kid=str(number)))
    assert len(worker.asked) == 1
    clock.now += 11
    for number in range(50):
        assert not await passes(middleware, token("ES256", 1, kid=str(number)))
    assert len(worker.asked) == 2


async def test_old_keys_serve_while_the_issuer_is_away(clock: Clock) -> None:
    answers: list[Fetched | FetchFailed] = [
        published(jwk("ES256", kid="a")),
        Fetched(500, [], b""),
        FetchFailed("no answer"),
    ]
    middleware, worker = remote(*answers, refresh=100.0, stale=1000.0)
    for moment in (0, 200, 400, 900):
        clock.now = 5000.0 + moment
        assert await passes(middleware, token("ES256", kid="a", jti=str(moment)))
    assert worker.counts["fetch_failures"] == 3
    clock.now = 5000.0 + 1200
    reply = await outcome(middleware, exchange(bearer(token("ES256", kid="a"))))
    assert reply is not None
    assert reply.status == 503
    worker.answers = [published(jwk("ES256", kid="a"))]
    clock.now += 2
    assert await passes(middleware, token("ES256", kid="a"))


@pytest.mark.parametrize("answer", [Fetched(200, [], b"<html>"), Fetched(404, [], b""), FetchFailed("away")])
async def test_without_keys_nobody_passes(clock: Clock, answer: Fetched | FetchFailed) -> None:
    middleware, worker = remote(answer)
    for _ in range(5):
        reply = await outcome(middleware, exchange(bearer(token("ES256"))))
        assert reply is not None
        assert reply.status == 503
    assert len(worker.asked) == 1, "once a second"
    assert "keys cannot be fetched" in worker.lines[0]


async def test_secrets_and_strange_keys_of_a_url_are_left_out(clock: Clock) -> None:
    everybody = {"kty": "oct", "kid": "s", "k": part(SECRET.encode())}
    middleware, _ = remote(published(everybody, {"kty": "new", "kid": "n"}, jwk("ES256", kid="a")))
    assert await passes(middleware, token("ES256", kid="a"))
    assert not await passes(middleware, token("HS256", kid="s"))


async def test_keys_of_a_file_serve_while_the_url_is_slow(tmp_path: Path, clock: Clock) -> None:
    middleware = guard(tmp_path, jwk("ES256"), Alone(FetchFailed("away")), jwks="https://issuer.example/keys")
    assert await passes(middleware, token("ES256"))


def test_heads_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwt_keys, "_HEADS", 3)
    middleware = guard(tmp_path, jwk("ES256"))
    for number in range(10):
        assert middleware.on_request(exchange(bearer(token("ES256", kid=str(number))))) is None
    assert len(middleware._keys._heads) <= 3
