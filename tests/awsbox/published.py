"""Refusals, held against what AWS publishes: botocore's model of the operation names the error, and its HTTP status."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def refused(client: Any, code: str, message: str = "", *, published: bool = True) -> Iterator[None]:
    """`published=False`: an error that the model does not list for this operation, though AWS answers so."""
    with pytest.raises(ClientError) as caught:
        yield
    said, status = caught.value.response["Error"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]
    assert (said["Code"], message in said["Message"]) == (code, True), said
    if published:
        assert status == _status(client, caught.value.operation_name, code)
        # botocore gave it the class that `client.exceptions` has for it.
        assert type(caught.value) is not ClientError


def _status(client: Any, operation: str, code: str) -> int:
    """Where the model is silent, the protocol's 400 for what the caller did."""
    for shape in client.meta.service_model.operation_model(operation).error_shapes:
        said = shape.metadata.get("error", {})
        if said.get("code", shape.name) == code:
            return int(said.get("httpStatusCode", 400))
    raise AssertionError(f"{operation} has no {code}")
