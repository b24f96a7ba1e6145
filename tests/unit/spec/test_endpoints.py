import json

import pytest

from headgate.spec import Address, Endpoint, SnapshotError
from headgate.spec.endpoints import endpoints, plain


def test_there_and_back_through_json() -> None:
    some = (
        Endpoint(
            name="a:80",
            addresses=(Address(host="10.0.0.1", port=80), Address(host="::1", port=80)),
            weight=3,
            metric=7,
        ),
        Endpoint(name="unix:/x", addresses=(Address(unix="/x"),)),
        Endpoint(name="lost:1", addresses=()),
    )
    assert endpoints(json.loads(json.dumps(plain(some)))) == some


def test_something_else() -> None:
    with pytest.raises(SnapshotError, match="no endpoints"):
        endpoints([{"name": 3}])
