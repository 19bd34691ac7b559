from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ferry.errors import ConfigError, Mistake, RecordError
from ferry.report import Report, record
from ferry.report.files import write_whole

from .conftest import deploy

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Clock

MISTAKE = Mistake(file="ferry.toml", line=3, key="aws.region", found="'mars'", allowed="an AWS region")


def test_what_is_written_reads_back(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "deep" / "run.json"
    with Report([record.reader(path)], clock=clock) as report:
        deploy(report, clock)
        report.failed(ConfigError("ferry.toml", (MISTAKE,)))
    assert record.read(path) == report.events
    assert len(report.events) == 13


def test_the_record_says_its_schema_and_one_event_a_line(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "run.json"
    with Report([record.reader(path)], clock=clock) as report, report.step("build", "Build it"):
        clock.tick(1)
    assert path.read_text() == (
        '{"schema": "ferry.run/1", "events": [\n'
        '{"event": "started", "step": "build", "title": "Build it", "at": 1800000000.0},\n'
        '{"event": "finished", "step": "build", "seconds": 1.0, "outcome": "ok", "summary": "", "at": 1800000001.0}\n'
        "]}\n"
    )
    assert json.loads(path.read_text())["schema"] == record.SCHEMA


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ("[]", "its schema is an empty list"),
        ('{"schema": "ferry.run/2"}', "its schema is 'ferry.run/2'; this Ferry knows 'ferry.run/1'"),
        ('{"schema": "ferry.run/1"}', "it holds no events"),
        ('{"schema": "ferry.run/1", "events": [1]}', "not one of: started"),
        ('{"schema": "ferry.run/1", "events": [{"event": []}]}', "not one of: started"),
        ('{"schema": "ferry.run/1", "events": [{"event": "exploded"}]}', "not one of: started"),
        (
            '{"schema": "ferry.run/1", "events": [{"event": "progress", "step": "a", "text": 1, "at": 2}]}',
            "progress.text: found 1; allowed: text",
        ),
    ],
)
def test_a_record_that_cannot_be_trusted_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(RecordError) as refused:
        record.read(path)
    assert refused.value.where == str(path)
    assert why in refused.value.why


def test_no_record_is_a_record_error_too(tmp_path: Path) -> None:
    with pytest.raises(RecordError):
        record.read(tmp_path / "none.json")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_whole(path, "before")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half\ud800")
    assert path.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]
