import asyncio
from pathlib import Path

import msgspec
import pytest

from headgate.spec import AccessLog
from headgate.worker.records import Records, RecordsError


async def test_a_sink_lives_as_long_as_its_settings(tmp_path: Path) -> None:
    records = Records(asyncio.get_running_loop())
    settings = AccessLog(path=str(tmp_path / "a.log"))
    records.prepare(settings)
    first = records.commit()
    assert first is not None
    first.offer(b"one\n")
    records.prepare(msgspec.structs.replace(settings, format="combined"))
    assert records.commit() is first
    records.prepare(AccessLog(path=str(tmp_path / "b.log")))
    second = records.commit()
    assert second is not first
    assert second is not None
    second.offer(b"two\n")
    await records.close()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert (tmp_path / "a.log").read_text() == "one\n"
    assert (tmp_path / "b.log").read_text() == "two\n"


async def test_what_is_abandoned_changes_nothing(tmp_path: Path) -> None:
    records = Records(asyncio.get_running_loop())
    records.prepare(AccessLog(path=str(tmp_path / "a.log")))
    first = records.commit()
    records.prepare(AccessLog(path=str(tmp_path / "b.log")))
    records.abandon()
    assert records.sink is first
    with pytest.raises(RecordsError, match="no folder"):
        records.prepare(AccessLog(path=str(tmp_path / "no" / "c.log")))
    records.abandon()
    records.prepare(None)
    assert records.commit() is None
    await records.close()
    await asyncio.get_running_loop().shutdown_default_executor()
