from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.awsbox import setup

if TYPE_CHECKING:
    from tests.awsbox.people import Account


@pytest.mark.slow  # waits for each version
def test_a_version_is_made_of_what_is_new_and_of_nothing_else(account: Account) -> None:
    client, name = account.root.client("lambda"), "versioned"
    setup.function(account.root, name, account.role(name=name), Publish=True)

    def published(zip: bytes) -> str:
        client.update_function_code(FunctionName=name, ZipFile=zip)
        client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})
        return str(client.publish_version(FunctionName=name)["Version"])

    one, other = setup.package("said = 1"), setup.package("said = 2")
    assert [published(zip) for zip in (one, one, other, one)] == ["2", "2", "3", "4"]
    client.update_function_configuration(FunctionName=name, Timeout=30)
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})
    assert client.publish_version(FunctionName=name)["Version"] == "5"
