from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ferry.errors import Blocked, TerraformFailed
from ferry.model import Severity
from ferry.report import Report, markdown
from ferry.report.events import Changed, Changes, Row, Started
from ferry.report.story import Verdict
from ferry.report.story import tell as story_of

from .conftest import deploy, finding

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Clock

DEPLOYED = f"""\
## ✅ Passed in 1 min 04 s · deploy to preprod

`+1 ~0 ±0 -1 ↓1` · 1 info · 3 of 4 steps done · 1 min 04 s

<details><summary>1 other finding</summary>

|  | address | what | why | next |
| --- | --- | --- | --- | --- |
| info | `aws_ecr_repository.sse` | exists in AWS and not in state |  |  |

</details>

<details><summary>What changes</summary>

| action | address | note |
| --- | --- | --- |
| destroy | `aws_sns_topic.old` |  |
| adopt | `aws_ecr_repository.sse` | preprod-sse |
| create | `aws_budgets_budget.monthly` |  |

```diff
- resource "aws_sns_topic" "old" {{}}
```

</details>

<details><summary>Steps</summary>

|  | step | time |  |
| --- | --- | --- | --- |
| ✓ | Build the artifacts | 1 min 01 s | 1 artifact |
| ✓ | &emsp;Build the image | 1 min 01 s | 1 layer built, 5 reused |
| – | &emsp;Build the zips | 0.0 s | nothing changed |
| ✓ | Plan preprod | 2.5 s | 3 changes |

</details>

<details><summary>Artifacts</summary>

|  | name | digest | size |
| --- | --- | --- | --- |
| image | `sse-streaming` | `sha256:{"4e" * 32}` | 71.4 MB |

</details>

<details><summary>Log</summary>

```text
image: dependencies: found in the registry
```

</details>
"""  # noqa: RUF001

BLOCKED = """\
## ⛔ Blocked: the plan must not be applied

1 block · 0 of 0 steps done · 0.0 s

|  | address | what | why | next |
| --- | --- | --- | --- | --- |
| block | `aws_dynamodb_table.items` | would be lost | its key changes | `ferry explain items` |

```text
error: the plan must not be applied
  next: ferry plan preprod
  exit code 3 (Blocked)
```
"""


def test_a_good_run(clock: Clock) -> None:
    report = Report(clock=clock)
    deploy(report, clock)
    assert markdown.render(report.events, title="deploy to preprod") == DEPLOYED


def test_what_is_dangerous_stands_open_on_top() -> None:
    report = Report()
    report.found(
        finding(
            Severity.BLOCK,
            "aws_dynamodb_table.items",
            what="would be lost",
            why="its key changes",
            next="ferry explain items",
        )
    )
    report.failed(Blocked("the plan must not be applied", next="ferry plan preprod"))
    assert markdown.render(report.events) == BLOCKED


def test_the_verdict_is_closed_by_default() -> None:
    report = Report()
    assert story_of(report.events).verdict is Verdict.PASSED
    report.emit(Started(step="apply", title="Apply", at=0))
    assert story_of(report.events).headline == "Failed: Apply (not finished)"
    report.found(finding(Severity.BLOCK, "a.b", what="x"))
    assert story_of(report.events).headline == "Blocked: 1 finding must not be applied"
    report.failed(TerraformFailed("apply failed"))
    assert story_of(report.events).headline == "Failed: apply failed"


def test_a_step_that_failed_inside_one_that_coped_is_no_failure() -> None:
    report = Report()
    with report.step("apply", "Apply"), report.step("first", "First try") as step:
        step.fail("throttled")
    assert story_of(report.events).verdict is Verdict.PASSED
    with report.step("prove", "Prove it") as step:
        step.fail("no answer")
    assert story_of(report.events).headline == "Failed: Prove it (no answer)"


HOSTILE = [
    "a | b || c",
    "`code` ``more`` ```",
    "</details><script>alert(1)</script><img src=x onerror=y>",
    "<!-- and the rest is gone",
    "@everyone see #1 and [click](https://evil.example) ![x](https://evil.example/p.png)",
    "line one\n| --- |\n\n# heading\n```\nfence",
    "back\\slash \\| \\` trailing \\",
    "**bold** _em_ ~~gone~~ $math$",
    "x" * 100_000,
]


def page(hostile: str) -> str:
    report = Report()
    with report.step("plan", hostile) as step:
        step.say(hostile)
        step.done(hostile)
    report.found(finding(Severity.BLOCK, hostile, what=hostile, why=hostile, next=hostile))
    report.changed(Changes(create=1), [Row("create", hostile, hostile)], diff=hostile)
    report.failed(TerraformFailed(hostile, where=hostile, why=hostile, next=hostile))
    return markdown.render(report.events, title=hostile, limit=markdown.SUMMARY)


def shape(text: str) -> list[str]:
    """What the page is made of for a reader of GitHub markdown: tables, cells, fences, html; not the words."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    flat = [part for token in tokens for part in (token, *(token.children or ()))]
    return [
        part.content if "html" in part.type else part.type for part in flat if part.type not in {"text", "text_special"}
    ]


def without_words(parts: list[str]) -> list[str]:
    return [part for part in parts if part not in {"code_inline", "<code>", "</code>"}]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_changes_nothing_but_the_words(hostile: str) -> None:
    assert without_words(shape(page(hostile))) == without_words(shape(page("harmless")))


@given(st.text(alphabet="`|\\<>&!-[]()*_~#@$\n a", max_size=30))
def test_no_text_changes_the_shape_of_the_page(text: str) -> None:
    assert without_words(shape(page(f"x{text}x"))) == without_words(shape(page("harmless")))


def test_nobody_is_mentioned_and_nothing_referred_to() -> None:
    report = Report()
    report.found(finding(Severity.WARN, "a.b", what="ask @octocat about #12", why="", next=""))
    seen = html.unescape(markdown.render(report.events))
    assert "octocat" in seen
    assert not re.search(r"[@#][a-z0-9]", seen)


def test_what_does_not_fit_is_left_out_by_level() -> None:
    report = Report()
    with report.step("plan", "Plan") as step:
        step.say("a log line " * 2000)
    rows = [Row("create", f"aws_sns_topic.topic[{number}]") for number in range(150)]
    report.changed(Changes(create=150), rows, diff="+ a diff line\n" * 500)
    full, table, short, counts = (markdown.render(report.events, limit=limit) for limit in (65_536, 20_000, 5_000, 500))
    assert "a log line" in full
    assert "+ a diff line" in full
    assert "a log line" not in table
    assert table.count("aws_sns_topic") == 150
    assert short.count("aws_sns_topic") == 20
    assert "130 more in the run record." in short
    assert "aws_sns_topic" not in counts
    assert "`+150 ~0 ±0 -0 ↓0`" in counts


@pytest.mark.parametrize("limit", [-5, 0, 1, 7, 40, 300])
def test_no_limit_is_too_small(limit: int) -> None:
    report = Report()
    report.failed(TerraformFailed("ä" * 500))
    assert len(markdown.render(report.events, limit=limit).encode()) <= max(0, limit)


def test_the_summary_adds_to_what_the_job_step_wrote_and_stays_within_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("x" * (markdown.SUMMARY - 200))
    with Report([markdown.reader(path)]) as report:
        for number in range(100):
            report.found(finding(Severity.BLOCK, f"a.b[{number}]", what="no"))
    text = path.read_text()
    assert text.startswith("xxx")
    assert "⛔ Blocked: 100 findings must not be applied" in text
    assert path.stat().st_size <= markdown.SUMMARY


def test_the_empty_plan_after_an_apply_does_not_hide_what_changed() -> None:
    before = Changed(counts=Changes(create=1), rows=(Row("create", "aws_kms_key.main"),))

    text = markdown.render([before, Changed(counts=Changes())])

    assert "aws_kms_key.main" in text
