"""What the account holds, as far as permissions depend on it: read from the emulator's stores, in the caller's scope.

All of it is only for looking up: what is not there is answered with None, and the emulator itself says that to the
caller once the call is allowed.
"""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

if TYPE_CHECKING:
    from collections.abc import Mapping

    from awsbox.authority.request import Request

KMS_ID = "x-amz-server-side-encryption-aws-kms-key-id"
KMS_KINDS = ("aws:kms", "aws:kms:dsse")


def service(name: str) -> Any:
    """A module of the emulator. They load on first use, and read their settings then."""
    return importlib.import_module(f"ministack.services.{name}")


def tags(arn: str) -> Mapping[str, str]:
    return service("tagging").resource_tags(arn) or {}


def entity(kind: str, name: str) -> Mapping[str, Any] | None:
    """A role or user by its name."""
    found: Mapping[str, Any] | None = getattr(service("iam"), f"_{kind}s").get(name)
    return found


def role_named(arn: str) -> Mapping[str, Any] | None:
    return entity("role", arn.rpartition("/")[2])


def user_of_key(key: str) -> str:
    return str((service("iam")._access_keys.get(key) or {}).get("UserName", ""))  # noqa: SLF001


def key(reference: str) -> Mapping[str, Any] | None:
    """A KMS key by id, ARN, alias or alias ARN."""
    found: Mapping[str, Any] | None = service("kms")._resolve_key(reference)  # noqa: SLF001
    return found


MANAGED = tuple(f"alias/aws/{name}" for name in ("dynamodb", "lambda", "s3", "secretsmanager", "sns", "sqs"))


def key_arn(request: Request, reference: str) -> str:
    """Permissions are about the key behind an alias. The keys that AWS makes by itself have one each, of their own."""
    if found := key(reference):
        return str(found["Arn"])
    id = reference.rpartition(":key/")[2] or reference
    if "alias/" in id:
        id = _managed(request.account, id)
    return request.arn(f"key/{id}", service="kms")


def aliases(arn: str) -> list[str]:
    kms = service("kms")
    found = kms._aliases.items()  # noqa: SLF001
    own = ["alias/" + alias.partition(":alias/")[2] for alias, id in found if arn.endswith(f"/{id}")]
    account, id = arn.split(":")[4], arn.rpartition("/")[2]
    return own + [alias for alias in MANAGED if _managed(account, alias) == id]


def _managed(account: str, alias: str) -> str:
    """The emulator has no keys that AWS manages: an id that is as good as theirs."""
    return str(uuid5(NAMESPACE_URL, f"{account}/{alias}"))


def customer_key(reference: Any) -> str | None:
    """The ARN of a customer's own key. Those that AWS manages let everybody in the account use them."""
    if not reference or "alias/aws/" in str(reference):
        return None
    found = key(str(reference))
    return str(found["Arn"]) if found and found.get("KeyManager", "CUSTOMER") == "CUSTOMER" else None


def bucket_key(bucket: str) -> str | None:
    """The key that a bucket encrypts new objects with."""
    said = service("s3")._bucket_default_sse_headers(bucket)  # noqa: SLF001
    return customer_key(said.get(KMS_ID))


def object_key(bucket: str, name: str) -> str | None:
    """The key that an object is encrypted with."""
    found = (service("s3")._buckets.get(bucket) or {}).get("objects", {}).get(name) or {}  # noqa: SLF001
    return customer_key(found.get("preserved_headers", {}).get(KMS_ID))


def object_tags(bucket: str, name: str, version: str) -> Mapping[str, str]:
    query = {"versionId": [version]} if version else {}
    found: Mapping[str, str] = service("s3").object_tags_for_condition(bucket, name, query)
    return found


def secret(reference: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = service("secretsmanager")._resolve(reference)[1]  # noqa: SLF001
    return found


def topic_key(arn: str) -> str | None:
    found = service("sns")._topics.get(arn) or {}  # noqa: SLF001
    return customer_key(found.get("attributes", {}).get("KmsMasterKeyId"))


def queue_key(arn: str) -> str | None:
    found = service("sqs")._queue_by_arn(arn) or {}  # noqa: SLF001
    return customer_key(found.get("attributes", {}).get("KmsMasterKeyId"))


def table_key(name: str) -> str | None:
    found = service("dynamodb")._tables.get(name.rpartition("/")[2]) or {}  # noqa: SLF001
    return customer_key((found.get("SSEDescription") or {}).get("KMSMasterKeyArn"))


def function(reference: str) -> Mapping[str, Any] | None:
    """A function's configuration, by name or ARN."""
    found: Mapping[str, Any] | None = service("lambda_svc")._get_func_record_for_ref(reference)[1]  # noqa: SLF001
    return found


def document(policy: Any) -> dict[str, Any]:
    """A policy as JSON or already read; nothing when it is neither."""
    try:
        said = json.loads(policy) if isinstance(policy, str) else policy
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
