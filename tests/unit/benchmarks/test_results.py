"""From rounds to figures, verdicts, files and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import report
from benchmarks.load import Outcome
from benchmarks.machine import describe
from benchmarks.processes import Usage
from benchmarks.results import Figures, Result, medians, newest
from benchmarks.rows import ROWS
from benchmarks.rows.cpu import cpu_figures
from benchmarks.rows.instructions import by_module
from benchmarks.rows.micro import inclusive

if TYPE_CHECKING:
    from pathlib import Path

OUTCOME = Outcome(
    requests=100_000, seconds=2.0, bytes=1, broken=0, refused=0, p50_us=1000, p99_us=2000, p999_us=3000
)


def figures(cpu_us: float, busy: float = 1.0, broken: float = 0) -> Figures:
    spent = [Usage(cpu_us * 0.1, 25, 75), Usage(0.01, 1, 0)]
    return {**cpu_figures(OUTCOME, spent, 2.0), "share": busy, "busy": busy, "broken": broken}


def test_cpu_per_request_counts_all_processes() -> None:
    found = cpu_figures(OUTCOME, [Usage(1.8, 45, 135), Usage(0.1, 9, 1)], 2.0)
    assert found["cpu_us"] == pytest.approx(19.0)
    assert found["user_us"] + found["system_us"] == pytest.approx(19.0)
    assert found["user_us"] == pytest.approx(19.0 * 54 / 190)
    assert found["others_us"] == pytest.approx(1.0)
    assert found["rate"] == 50_000


def test_median_leaves_out_rounds_that_do_not_count() -> None:
    rounds = [figures(18), figures(50, busy=0.5), figures(20), figures(60, broken=3), figures(19)]
    rounds.append({**figures(70), "share": 0.8})  # disturbed
    found = medians(rounds)
    assert found["cpu_us"] == pytest.approx(19.1)
    assert (found["rounds"], found["counted"]) == (6, 3)


def test_median_of_rounds_of_which_none_counts_says_so() -> None:
    found = medians([figures(18, busy=0.5)])
    assert found["cpu_us"] == pytest.approx(18.1)
    assert found["counted"] == 0


def judged(ours: float, nginx: float, haproxy: float, row: str = "keepalive", busy: float = 1.0) -> Result:
    rounds = {
        "Headgate": [figures(ours, busy)],
        "nginx": [figures(nginx)],
        "HAProxy": [figures(haproxy)],
    }
    found = {label: medians(some) for label, some in rounds.items()}
    ROWS[row].compare(found)
    return Result(
        row=row,
        title=ROWS[row].title,
        measured="2026-01-02T03:04:05+00:00",
        machine=describe(),
        versions={"nginx": "nginx/1.22"},
        commands={"nginx": "nginx -c x"},
        rounds=rounds,
        figures=found,
        verdicts=ROWS[row].judge(found),
        notes=["quiet"],
    )


@pytest.mark.parametrize(
    ("row", "ours", "holds"),
    [
        ("keepalive", 17.9, True),
        ("keepalive", 18.2, False),
        ("connection", 22, True),
        ("connection", 23, False),
    ],
)
def test_ratio_is_to_what_the_row_names(row: str, ours: float, holds: bool) -> None:
    (verdict,) = judged(ours, 19, 18, row).verdicts
    assert verdict.holds is holds


def test_figure_does_not_hold_when_no_round_counts() -> None:
    (verdict,) = judged(17, 19, 18, busy=0.5).verdicts
    assert not verdict.holds
    assert str(verdict).endswith("IN DOUBT, no round of Headgate counted")


def test_uploads_are_shown_but_not_held() -> None:
    assert judged(30, 19, 18, "upload-64k").verdicts == []


def test_nothing_is_judged_without_the_c_proxies() -> None:
    assert ROWS["keepalive"].judge({"Headgate": medians([figures(17)])}) == []


def test_latency_allows_a_fifth_and_slack() -> None:
    ours = {"p50_us": 1400.0, "p99_us": 2599.0, "p999_us": 3900.0}
    nginx = {"p50_us": 1000.0, "p99_us": 2000.0, "p999_us": 3000.0}
    verdicts = ROWS["latency"].judge({"Headgate": ours, "nginx": nginx})
    assert [verdict.holds for verdict in verdicts] == [True, True, False]


def test_newest_result_of_a_row_is_read_back(tmp_path: Path) -> None:
    old, new = judged(17, 19, 18), judged(16, 19, 18)
    new.measured = "2026-01-03T00:00:00+00:00"
    assert new.save(tmp_path).name == "2026-01-03-keepalive.json"
    old.save(tmp_path)
    assert newest(tmp_path) == {"keepalive": new}


def test_tables_show_every_proxy_with_its_ratio(tmp_path: Path) -> None:
    result = judged(17, 19, 18)
    text = report.terminal(result)
    assert [line.split()[0] for line in text.splitlines()[2:6]] == ["proxy", "Headgate", "nginx", "HAProxy"]
    assert "  0.94  " in text
    assert "holds" in text
    page = report.write_page({"keepalive": result}, tmp_path / "benchmarks.md").read_text()
    assert "| Headgate |" in page
    assert "nginx -c x" in page
    assert "2026-01-02 03:04 UTC" in page


def test_instructions_of_a_case_are_its_largest_line() -> None:
    annotated = (
        "28,286,367 ( 7.9%)  codec.c:__pyx_pw_11micro_codec_5case_exchange [codec.so]\n"
        "33,695,264 ( 9.4%)  http1.c:__pyx_f_8headgate_4core_5http1_5Http1_read_more [http1.so]\n"
        " 1,213,157 ( 0.3%)  object.h:__pyx_pw_11micro_codec_5case_exchange\n"
        "     3,000 ( 0.0%)  record.c:__pyx_pw_12micro_record_1case_json [record.so]\n"
    )
    assert inclusive(annotated) == {"case_exchange": 28_286_367, "case_json": 3000}


def test_instructions_belong_to_the_module_that_has_them() -> None:
    counted = by_module(
        [
            "ob=(1) /src/headgate/proxy/exchange.cpython-313-x86_64-linux-gnu.so",
            "fn=(1) start",
            "12 100",
            "cob=(2) /src/headgate/core/breaker.cpython-313-x86_64-linux-gnu.so",
            "cfn=(2) tell",
            "calls=3 40",
            "+1 900",
            "* 20",
            "",
            "ob=(2)",
            "fn=(2)",
            "40 900",
            "ob=(1)",
            "fn=(3) end",
            "-3 7",
        ]
    )
    assert counted == {"exchange": 127, "breaker": 900}
