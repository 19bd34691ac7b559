"""The system as it is deployed, seen from outside: what came of the news, of a poor key, of a bad message.

A process of its own, because it has a box of its own: `python -m tests.system.flow ROOT` rehearses, plays on where the
story ends, and prints what was seen as one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx
from anyio import to_thread

from awsbox import users
from ferry import config as reading
from ferry.outside.aws import Access, Credentials
from ferry.rehearsal import story
from ferry.report import Report, record
from ferry.report.terminal import Plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from ferry.rehearsal.stage import Stage

KEY = {"x-api-key": "rehearsal"}
PATIENCE = 90


@dataclass
class Seen:
    """A stream that stays open, and everything that came on it."""

    url: str
    events: list[dict[str, Any]]
    summaries: list[dict[str, Any]]

    async def read(self, http: httpx.AsyncClient, opened: anyio.Event) -> None:
        async with http.stream("GET", f"{self.url}/api/stream", headers=KEY, timeout=PATIENCE) as response:
            assert response.status_code == 200, await response.aread()
            kind = ""
            async for line in response.aiter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    kind = value
                elif field == "data":
                    {"item": self.events, "summary": self.summaries}[kind].append(json.loads(value))
                    opened.set()

    async def until(self, enough: Callable[[], bool]) -> None:
        with anyio.fail_after(PATIENCE):
            while not enough():  # noqa: ASYNC110 - what a stream brings
                await anyio.sleep(0.05)


async def played(stage: Stage, outputs: dict[str, Any]) -> dict[str, Any]:
    box, urls = stage.box, outputs["urls"]
    seen = Seen(url=urls["sse-streaming"], events=[], summaries=[])
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http, anyio.create_task_group() as tasks:
        opened = anyio.Event()
        tasks.start_soon(seen.read, http, opened)
        with anyio.fail_after(PATIENCE):
            await opened.wait()

        async def dashboard(path: str, headers: dict[str, str] = KEY) -> httpx.Response:
            return await http.get(f"{urls['dashboard']}{path}", headers=headers)

        empty = (await dashboard("/api/items")).json()
        await box.fire(outputs["schedules"]["ingestion"])
        await seen.until(lambda: len(seen.events) >= 15)
        await seen.until(lambda: counted(seen.summaries[-1]) >= 15)
        items = (await dashboard("/api/items?limit=100")).json()
        summary = (await dashboard("/api/summary")).json()
        strangers = [
            (await dashboard("/api/items", {})).status_code,
            (await http.get(f"{seen.url}/api/stream")).status_code,
        ]
        # Nothing is new the second time.
        await box.fire(outputs["schedules"]["ingestion"])
        box.news.add(title="A late and wonderful success", url="https://news.example.com/late", topic="energy")
        await box.fire(outputs["schedules"]["ingestion"])
        await seen.until(lambda: len(seen.events) >= 16)
        access = somebody(stage)
        refused = await bad_message(access, outputs)
        failed = await outage(stage, access, outputs)
        health = (await http.get(f"{seen.url}/health")).json()
        page = (await dashboard("/", {})).text
        tasks.cancel_scope.cancel()
    return {
        "empty": empty,
        "events": seen.events,
        "counted": counted(seen.summaries[-1]),
        "items": items["items"],
        "summary": counted(summary),
        "strangers": strangers,
        "refused": refused,
        "failed": failed,
        "health": health,
        "page": page[:200],
        "denied": [f"{one.principal} {one.action} {one.resource}" for one in box.authority.audit if not one.allowed],
    }


def counted(summary: dict[str, Any]) -> int:
    return sum(topic["count"] for topic in summary["topics"].values())


def somebody(stage: Stage) -> Access:
    """An administrator, who reads and writes what no deployer may."""
    users.create(stage.box.account, "somebody", users.ADMIN)
    keys = stage.box.credentials("somebody")
    credentials = Credentials(key=keys.key, secret=keys.secret)
    return Access(region="us-east-1", endpoint=stage.box.endpoint, credentials=credentials)


async def put_aside(access: Access, queue: str, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first dead letter of that kind; all that come are taken out."""

    def received() -> list[dict[str, Any]]:
        client = access.client("sqs")
        found = client.receive_message(QueueUrl=queue, MessageAttributeNames=["All"], WaitTimeSeconds=1)
        for message in found.get("Messages", []):
            client.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return list(found.get("Messages", []))

    with anyio.fail_after(PATIENCE):
        while True:
            for message in filter(what, await to_thread.run_sync(received)):
                said = message.get("MessageAttributes", {})
                return {"body": message["Body"], **{name: value["StringValue"] for name, value in said.items()}}


async def bad_message(access: Access, outputs: dict[str, Any]) -> dict[str, Any]:
    """Somebody publishes what is no announcement."""
    topic = outputs["alarms_topic_arn"].replace("-alarms", "-articles")
    await to_thread.run_sync(lambda: access.client("sns").publish(TopicArn=topic, Message="{"))
    return await put_aside(access, outputs["dlq_url"], lambda message: message["Body"] == "{")


async def outage(stage: Stage, access: Access, outputs: dict[str, Any]) -> dict[str, Any]:
    """The key for the news is no longer good: the run fails, is tried again, and is put aside."""
    stage.box.news.play("key-disabled")
    await stage.box.fire(outputs["schedules"]["ingestion"])
    found = await put_aside(access, outputs["dlq_url"], lambda message: "requestContext" in message["Body"])
    stage.box.news.stop()
    return dict(json.loads(found["body"]))


async def main(root: Path) -> None:
    report = Report([Plain(sys.stderr)])
    said: dict[str, Any] = {}

    async def play_on(stage: Stage) -> None:
        said.update(await played(stage, dict(await stage.hands.terraform.outputs())))

    await story.rehearse(reading.load(root / "ferry.toml"), "preprod", root, report, play_on)
    report.close()
    said["record"] = json.loads(record.render(report.events))
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).absolute()))
