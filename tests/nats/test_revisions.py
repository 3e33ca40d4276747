"""Manager and hosts of releases that are apart by optional fields speak with each other."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from nats.aio.msg import Msg

from tests.nats.clients import as_host, run
from tests.nats.links import manager_bus, new_link
from tests.nats.sides import AgentEnd, ManagerEnd, wait_for
from zedops.bus.nats import messages, subjects
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.server import NatsServer
from zedops.errors import ZedopsError
from zedops.protocol.sync import DesiredDocument, Report, ServerReport

#: The headers of a release that names no revision.
OLD = {messages.VERSION_HEADER: "1"}
DOCUMENT = DesiredDocument(fleet="home", host="attic", epoch=1, rev=1, hub="feed")


def test_a_host_of_the_first_release_gets_documents_that_it_can_read(
    server: NatsServer, authority: Authority
) -> None:
    with manager_bus(server, authority) as bus:
        bus.serve(ManagerEnd(DOCUMENT))

        async def speak() -> None:
            async with as_host(server, authority, "attic") as client:
                subject = subjects.up("attic", subjects.SYNC)
                hello = b'{"version": 1, "host": "attic", "epoch": 0, "rev": 0, "zedops": "0"}'
                answer = await client.nc.request(subject, hello, 10, headers=OLD)
                assert "hub" not in json.loads(answer.data)
                newer = await client.nc.request(subject, hello, 10, headers=messages.HEADERS)
                assert json.loads(newer.data)["hub"] == "feed"

        run(speak())


def test_a_manager_of_the_first_release_takes_the_reports_of_a_newer_host(
    server: NatsServer, authority: Authority
) -> None:
    at = datetime(2026, 12, 1, tzinfo=UTC)
    report = ServerReport(id="01" + "A" * 24, at=at, about="abc", under=(1, 1))
    taken: list[dict[str, object]] = []
    refused: list[dict[str, object]] = []

    with manager_bus(server, authority) as bus, new_link(
        server, authority, "attic", AgentEnd()
    ) as link:

        async def refuse(message: Msg) -> None:
            said = json.loads(message.data)
            body, headers = b"{}", messages.HEADERS
            if "under" in said["servers"][0]:  # the first release refuses what it does not know
                body, headers = messages.refusal(ZedopsError("an unreadable message"))
                refused.append(said)
            else:
                taken.append(said["servers"][0])
            await bus.connection.reply(message, body, {**headers, messages.REVISION_HEADER: "0"})

        bus.connection.serve(subjects.up("attic", subjects.REPORT), refuse)
        link.report(Report(host="attic", servers=(report,)))
        link.report(Report(host="attic", servers=(report,)))
    assert [each["about"] for each in taken] == ["abc", "abc"]
    assert len(refused) == 1, "the host learns it from the first refusal"


def test_a_newer_definition_is_refused_whole_and_the_next_document_is_taken(
    server: NatsServer, authority: Authority
) -> None:
    agent = AgentEnd()
    with new_link(server, authority, "attic", agent), manager_bus(server, authority) as bus:
        subject = subjects.down("attic", subjects.DESIRED)
        said = {**json.loads(messages.pack(DOCUMENT)), "mood": "new"}
        bus.connection.publish(subject, json.dumps({**said, "servers": {"01" + "A" * 24: {
            "id": "01" + "A" * 24, "name": "pz", "goal": "running", "hash": "1:x", "commit": "c",
            "created": False, "data_expected": False, "drift": "heal",
            "definition": {"image": "a", "shields": "up"},
        }}}).encode())
        bus.connection.publish(subject, json.dumps({**said, "rev": 2}).encode())
        wait_for(lambda: agent.documents)
    assert agent.documents == [DOCUMENT.model_copy(update={"rev": 2})]
