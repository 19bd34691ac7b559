"""What either service says of itself, and what the dashboard shows."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from canary.asking import KEY, NO_KEY, OPEN
from canary.verdict import clip, in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from canary.asking import Asking
    from canary.web import Answer

WRONG_KEY = "canary-wrong-key"
REFUSED = {401, 403}
TITLE = re.compile(r"<title>[^<]*sentiment[^<]*</title>", re.IGNORECASE)
LABELS = {"positive", "neutral", "negative"}
SEVERAL = 5
"""Items: enough to resume a stream from the oldest of them."""


async def health(asking: Asking, url: str, *, digest: str, measure: str) -> str | None:
    """The environment that the service names, empty if it names none; None where nobody answers at all."""
    answer: Answer | None = None
    with asking.answered("health", url, "does not answer"):
        answer = await asking.web.get(f"{url}/health", headers={}, within=asking.question.limits.answer)
    if answer is None:
        return None
    asking.measure(measure, answer.seconds)
    said = _object(answer)
    wrong = _not_well(answer, said)
    well = f"says that it is well, in {in_words(answer.seconds)}"
    asking.add("health", url, wrong, well=well, bad="is not well", seconds=answer.seconds)
    _is_as_expected(asking, "environment", url, asking.question.environment, said)
    _is_as_expected(asking, "digest", url, digest, said)
    return _text(said, "environment")


def _not_well(answer: Answer, said: Mapping[str, object] | None) -> str:
    if answer.kind != "application/json":
        return f"its health is not application/json: {answer.excerpt()}"
    if said is None:
        return f"its health is not a JSON object: {answer.excerpt()}"
    dependencies = said.get("dependencies")
    if isinstance(dependencies, dict) and (ill := [name for name, is_well in dependencies.items() if is_well != "ok"]):
        return f"it says {said.get('status')!r}, with failing {clip(', '.join(ill))}: {answer.excerpt()}"
    if answer.status != 200 or said.get("status") != "ok":
        return f"its health does not say 200 and ok: {answer.excerpt()}"
    missing = [name for name in ("environment", "version", "digest") if not isinstance(said.get(name), str)]
    missing += [] if isinstance(dependencies, dict) else ["dependencies"]
    return f"its health does not say its {', '.join(missing)}: {answer.excerpt()}" if missing else ""


def _is_as_expected(asking: Asking, name: str, url: str, expected: str, said: Mapping[str, object] | None) -> None:
    if not expected:
        return
    found = _text(said, name)
    # An image may be named in full, as repository@sha256:….
    same = found and found.rpartition("@")[2] == expected.rpartition("@")[2]
    wrong = "" if same else f"it says {clip(found) or 'none'}, expected is {expected}"
    asking.add(name, url, wrong, well=f"is {clip(found)}", bad=f"the {name} is another one")


async def refuses_strangers(asking: Asking, url: str, path: str, environment: str) -> None:
    """Without the key, and with a wrong one, there is no data; but in dev everybody may ask."""
    if (asking.question.environment or environment) == OPEN:
        return
    limit = asking.question.limits.answer
    with asking.answered("key", url, f"{path} does not answer"):
        for who, headers in (("without a key", {}), ("with a wrong key", {KEY: WRONG_KEY})):
            answer = await asking.web.get(f"{url}{path}", headers=headers, within=limit, body=False)
            if answer.status not in REFUSED:
                wrong = f"{path} answers {answer.status} {who}, not 401 or 403"
                asking.add("key", url, wrong, well="", bad="is not as it must be with strangers")
                return
        asking.add("key", url, "", well=f"{path} refuses whoever has no key, or a wrong one", bad="")


def may_ask(asking: Asking, environment: str) -> bool:
    return bool(asking.question.key) or (asking.question.environment or environment) == OPEN


async def page(asking: Asking, url: str) -> None:
    with asking.answered("page", url, "does not answer"):
        answer = await asking.web.get(f"{url}/", headers={}, within=asking.question.limits.answer)
        asking.measure("page", answer.seconds)
        ours = (
            answer.status == 200 and answer.kind == "text/html" and TITLE.search(answer.body.decode(errors="replace"))
        )
        wrong = "" if ours else f"it is not text/html with our title: {answer.excerpt()}"
        well = f"is there, in {in_words(answer.seconds)}"
        if asking.add("page", url, wrong, well=well, bad="is not our page", seconds=answer.seconds):
            wrong = "; ".join(_unprotected(answer.headers))
            asking.add("page-headers", url, wrong, well="protect its readers", bad="do not protect its readers")


def _unprotected(headers: Mapping[str, str]) -> list[str]:
    policy = {
        rule.split()[0]: rule.split()[1:]
        for rule in headers.get("content-security-policy", "").split(";")
        if rule.strip()
    }
    scripts = policy.get("script-src", policy.get("default-src"))
    wrong = []
    if not policy:
        wrong.append("there is no content-security-policy")
    elif scripts is None or {"*", "https:", "http:", "'unsafe-inline'", "'unsafe-eval'"} & set(scripts):
        wrong.append("its content-security-policy lets any script run")
    if "frame-ancestors" not in policy and "x-frame-options" not in headers:
        wrong.append("other pages may frame it")
    if headers.get("x-content-type-options", "").lower() != "nosniff":
        wrong.append("x-content-type-options is not nosniff")
    return wrong


async def data(asking: Asking, url: str, environment: str) -> list[str]:
    """The positions of the newest items, newest first."""
    await refuses_strangers(asking, url, "/api/items", environment)
    if not may_ask(asking, environment):
        asking.undecided("items", url, "could not be asked for", NO_KEY)
        asking.undecided("summary", url, "could not be asked for", NO_KEY)
        return []
    items = await _data(asking, url, "items", f"/api/items?limit={SEVERAL}")
    summary = await _data(asking, url, "summary", "/api/summary")
    positions: list[str] = []
    if items:
        positions, wrong = _positions(items)
        asking.add(
            "items", url, wrong, well=f"come, {len(positions)} of them", bad="are not items", seconds=items.seconds
        )
    if summary:
        wrong = "" if _is_summary(summary) else f"no window, or no topics with a count each: {summary.excerpt()}"
        asking.add("summary", url, wrong, well="comes", bad="is not a summary", seconds=summary.seconds)
    return positions


async def _data(asking: Asking, url: str, name: str, path: str) -> Answer | None:
    """None: that is judged already."""
    with asking.answered(name, url, "do not come" if name == "items" else "does not come"):
        answer = await asking.web.get(f"{url}{path}", headers=asking.headers, within=asking.question.limits.answer)
        if answer.status == 200 and answer.kind == "application/json":
            return answer
        wrong = f"{path} is not 200 and application/json: {answer.excerpt()}"
        asking.add(name, url, wrong, well="", bad="cannot be had", seconds=answer.seconds)
    return None


def _positions(answer: Answer) -> tuple[list[str], str]:
    items = (_object(answer) or {}).get("items")
    if not isinstance(items, list):
        return [], f"there is no list of items: {answer.excerpt()}"
    strange = [each for each in items if not _is_item(each)]
    if strange:
        return [], f"one is no item: {clip(json.dumps(strange[0]))}"
    positions = [each["position"] for each in items]
    if positions != sorted(set(positions), reverse=True):
        return [], f"they are not newest first, each once: {clip(', '.join(positions))}"
    return positions, ""


def _is_item(each: object) -> bool:
    if not isinstance(each, dict):
        return False
    texts = all(isinstance(each.get(name), str) and each[name] for name in ("id", "topic", "title", "position"))
    return texts and each.get("label") in LABELS and isinstance(each.get("score"), int | float)


def _is_summary(answer: Answer) -> bool:
    said = _object(answer) or {}
    topics = said.get("topics")
    if not isinstance(said.get("window"), dict) or not isinstance(topics, dict):
        return False
    return all(isinstance(each, dict) and isinstance(each.get("count"), int) for each in topics.values())


def _object(answer: Answer) -> Mapping[str, object] | None:
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _text(said: Mapping[str, object] | None, name: str) -> str:
    found = (said or {}).get(name)
    return found if isinstance(found, str) else ""
