"""The registry's door: `/v2/*` asks who calls, and IAM whether they may, as ECR does in front of the docker protocol.

A token of ecr:GetAuthorizationToken stands for the principal that asked for it, for twelve hours, and is refused
earlier when the principal's keys no longer count. It is signed rather than kept, so snapshots need not know of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from awsbox.calls import Answer
from awsbox.rules import shelves, stores

if TYPE_CHECKING:
    from awsbox.behind import Rules
    from awsbox.calls import Call, Next

HOURS = 12
VERSION = ("Docker-Distribution-Api-Version", "registry/2.0")
EXPIRED = "Your authorization token has expired. Reauthenticate and try again."
IMMUTABLE = (
    "The image tag '{}' already exists in the '{}' repository"
    " and cannot be overwritten because the repository is immutable."
)
BEGINS = re.compile(r"(\d+)-\d+")
ONWARDS = re.compile(r"bytes=(\d+)-(\d*)")
_SEAL = secrets.token_bytes(32)

READ, ASK, OPEN = ("BatchGetImage",), ("BatchCheckLayerAvailability",), ("InitiateLayerUpload",)
PART, WHOLE = ("UploadLayerPart",), ("CompleteLayerUpload", "UploadLayerPart")
ACTIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("catalog", "GET"): ("DescribeRepositories",),
    ("tags_list", "GET"): ("ListImages",),
    ("manifest", "GET"): READ,
    ("manifest", "HEAD"): READ,
    ("manifest", "PUT"): ("PutImage",),
    ("manifest", "DELETE"): ("BatchDeleteImage",),
    ("blob", "GET"): ("GetDownloadUrlForLayer",),
    ("blob", "HEAD"): ASK,
    ("blob_uploads", "POST"): OPEN,
    ("blob_upload_session", "GET"): PART,
    ("blob_upload_session", "PATCH"): PART,
    ("blob_upload_session", "PUT"): WHOLE,
    ("blob_upload_session", "DELETE"): OPEN,
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever asked for a token: an access key of an account."""

    key: str
    account: str
    until: float

    @property
    def expired(self) -> bool:
        return time.time() > self.until


@dataclass(frozen=True, slots=True)
class Place:
    """What a path of the registry names: ("manifest", "team/app", "latest"). `actions` are IAM's names of the call."""

    verb: str
    repository: str
    reference: str
    actions: tuple[str, ...]


def placed(method: str, path: str) -> Place | None:
    """None: not a path of the registry."""
    if path != "/v2" and not path.startswith("/v2/"):
        return None
    found = stores.own("ecr", "parse_v2_path")(path)
    if found is None:
        return None
    verb, repository, reference = found
    return Place(verb, repository, reference, ACTIONS.get((verb, method), ()))


def token_of(key: str, account: str, hours: float = HOURS) -> str:
    """What goes behind `AWS:` in a login."""
    said = json.dumps({"key": key, "account": account, "until": time.time() + hours * 3600}).encode()
    return base64.b64encode(_sealed(said) + said).decode()


def principal_of(token: str) -> Principal | None:
    """None: no token of this box."""
    try:
        raw = base64.b64decode(token, validate=True)
    except binascii.Error:
        return None
    seal, said = raw[:32], raw[32:]
    return Principal(**json.loads(said)) if hmac.compare_digest(seal, _sealed(said)) else None


def _sealed(said: bytes) -> bytes:
    return hmac.digest(_SEAL, said, "sha256")


async def authorization(call: Call, _way: Next) -> Answer:
    """ecr:GetAuthorizationToken."""
    account, key = stores.account(), stores.key_of(call)
    login = base64.b64encode(f"AWS:{token_of(key, account)}".encode()).decode()
    where = f"https://{account}.dkr.ecr.{stores.region()}.amazonaws.com"
    said = {"authorizationToken": login, "expiresAt": int(time.time()) + HOURS * 3600, "proxyEndpoint": where}
    return stores.said({"authorizationData": [said]})


RULES: Rules = {("ecr", "GetAuthorizationToken"): authorization}


async def guarded(call: Call, way: Next) -> Answer:
    """The layer in front of the registry."""
    place = placed(call.method, call.path)
    if place is None:
        return await way(call)
    caller = _caller(call)
    if caller is None:
        realm = f'Basic realm="https://{call.headers.get("host", "")}/",service="ecr.amazonaws.com"'
        return Answer(401, (("WWW-Authenticate", realm), ("content-type", "text/plain"), VERSION), b"Not Authorized\n")
    if caller.expired:
        return refused(403, "DENIED", EXPIRED)
    with stores.core("responses").request_scope(caller.account, stores.region()):
        query = parse_qs(call.query)
        stores.own("ecr", "select_registry_request_scope")(place.repository, call.headers, query)
        why = _denied(place, caller) or _wrong(place, call) or _out_of_step(place, call)
        if why is not None:
            return why
        # A mount takes a layer out of another repository, where nobody asked: ECR has it off until an account asks.
        kept = "&".join(part for part in call.query.split("&") if not part.startswith(("mount=", "from=")))
        answer = await way(replace(call, query=kept))
        if place.verb == "manifest" and call.method == "PUT" and answer.status < 300:
            shelves.pushed(place.repository)
        return _as_ecr(place, call, answer)


def _caller(call: Call) -> Principal | None:
    scheme, _, said = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, token = base64.b64decode(said, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return principal_of(token) if user == "AWS" else None


def _denied(place: Place, caller: Principal) -> Answer | None:
    account, region = stores.account(), stores.region()
    arn = f"arn:aws:ecr:{region}:{account}:repository/{place.repository}" if place.repository else "*"
    evaluator = stores.core("iam_evaluator")
    # A principal acts in its own account, whichever account the repository is in.
    with stores.core("responses").request_scope(caller.account, region):
        for action in place.actions:
            decided = evaluator.enforce(caller.key, f"ecr:{action}", "ecr", region, resource_arn=arn)
            if decided is not None:
                return refused(403, "DENIED", _why(decided, f"ecr:{action}", arn))
        if not place.actions:
            # No action names this call; the keys behind the token must be good all the same.
            found = evaluator.resolve_principal(caller.key, caller.account)
            if isinstance(found, evaluator.AuthError):
                return refused(403, "DENIED", found.message)
    return None


def _why(decided: Any, action: str, arn: str) -> str:
    if not hasattr(decided, "decision"):
        return str(decided.message)
    explicit = decided.decision == "Deny"
    words = stores.core("iam_actions").identity_denial_message
    return str(words(action, decided.principal_arn, arn, explicit))


def _wrong(place: Place, call: Call) -> Answer | None:
    """What ECR refuses and the emulator takes."""
    if place.verb != "manifest" or shelves.repository(place.repository) is None or call.method != "PUT":
        return None
    try:
        manifest = json.loads(call.body)
    except ValueError:
        return refused(400, "MANIFEST_INVALID", "manifest invalid")
    digest = f"sha256:{hashlib.sha256(call.body).hexdigest()}"
    by_tag = not place.reference.startswith("sha256:")
    if not by_tag and place.reference != digest:
        return refused(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
    name, tag = place.repository, place.reference
    if by_tag and shelves.image(name, tag) and shelves.immutable(name, tag):
        return refused(400, "TAG_INVALID", IMMUTABLE.format(tag, name))
    gone = shelves.missing(place.repository, manifest)
    return refused(400, "MANIFEST_BLOB_UNKNOWN", f"blob unknown to registry: {', '.join(gone)}") if gone else None


def _out_of_step(place: Place, call: Call) -> Answer | None:
    """The emulator appends whatever comes; ECR wants each part of an upload to begin where the one before ended."""
    said = BEGINS.fullmatch(call.headers.get("content-range", ""))
    held = (stores.own("ecr", "uploads").get(place.repository) or {}).get(place.reference)
    if place.verb != "blob_upload_session" or said is None or held is None or int(said[1]) == len(held):
        return None
    why = f"First byte of the layer part is {said[1]} instead of {len(held)}"
    return refused(416, "BLOB_UPLOAD_INVALID", why)


def _as_ecr(place: Place, call: Call, answer: Answer) -> Answer:
    """Where the emulator keeps to the protocol's word, or to less than ECR does."""
    if (place.verb, call.method, answer.status) == ("blob_upload_session", "PATCH", 202):
        return replace(answer, status=201)
    asked = ONWARDS.fullmatch(call.headers.get("range", ""))
    if (place.verb, call.method, answer.status) != ("blob", "GET", 200) or not asked:
        return answer
    whole = answer.body if isinstance(answer.body, bytes) else b""
    first, last = int(asked[1]), min(int(asked[2] or len(whole)), len(whole) - 1)
    kept = tuple(pair for pair in answer.headers if pair[0].lower() != "content-length")
    if first > last:
        return Answer(416, (*kept, ("Content-Range", f"bytes */{len(whole)}")), b"")
    where = ("Content-Range", f"bytes {first}-{last}/{len(whole)}")
    part = whole[first : last + 1]
    return Answer(206, (*kept, where, ("Content-Length", str(len(part)))), part)


def refused(status: int, code: str, message: str) -> Answer:
    """As the docker protocol words an error."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Answer(status, (("content-type", "application/json"), VERSION), body)
