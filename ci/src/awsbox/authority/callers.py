"""Who calls: the emulator's own check of keys, signatures and sessions, made before anything else is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

from awsbox.authority import evaluation, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from awsbox.authority.evaluation import Principal
    from awsbox.calls import Answer, Call

# AWS takes these from callers who have no keys (yet).
UNSIGNED = frozenset({("sts", "AssumeRoleWithWebIdentity"), ("sns", "ConfirmSubscription")})
UNKNOWN_KEY = "The security token included in the request is invalid."


@dataclass(frozen=True)
class Caller:
    """Who signed a call, and the account and region that it is for."""

    key: str
    account: str
    region: str
    principal: Principal | None
    """None: nobody signed it, and nobody needs to."""

    @property
    def arn(self) -> str:
        return self.principal.arn if self.principal else "anonymous"

    @property
    def is_root(self) -> bool:
        return self.principal is not None and self.principal.policies is None


def known(call: Call, *, root_is_closed: bool) -> Caller | Answer:
    """The caller, or what AWS answers those whom it does not know."""
    from ministack.core import iam_evaluator, router  # noqa: PLC0415 - it reads its settings when it is imported

    query = parse_qs(call.query, keep_blank_values=True)
    key = router.extract_access_key_id(call.headers, query)
    region = router.extract_region(call.headers, query)
    account = _scoped(key, region)
    _pinned(call, query)
    if root_is_closed and key and iam_evaluator.is_root_access_key(key):
        return words.unauthenticated(call, iam_evaluator.AuthError("InvalidClientTokenId", UNKNOWN_KEY))
    if key:
        error = iam_evaluator.check_credentials(key, call.service)
        return words.unauthenticated(call, error) if error else Caller(key, account, region, _principal(key, account))
    # A signature that names no key is no less of one.
    signed = iam_evaluator._signed_request.get() is not None  # noqa: SLF001
    if not signed and (call.service == "s3" or (call.service, call.operation) in UNSIGNED):
        return Caller("", account, region, None)
    return words.unsigned(call)


def _principal(key: str, account: str) -> Principal:
    found: Principal = evaluation.of_key(key, account)
    return found


def _scoped(key: str, region: str) -> str:
    """The account that a call is for; the emulator's stores answer for it from here on, as they do later."""
    from ministack import app  # noqa: PLC0415 - as above
    from ministack.core import responses  # noqa: PLC0415 - as above

    if key:
        responses.set_request_account_id(app._request_account_scope(key))  # noqa: SLF001
    responses.set_request_region(region)
    return str(responses.get_account_id())


def _pinned(call: Call, query: Mapping[str, Any]) -> None:
    """What the emulator's checks read about the call at hand."""
    from ministack.core import iam_evaluator as evaluator  # noqa: PLC0415 - as above

    path = call.scope.get("raw_path") or quote(call.path).encode()
    address = (call.scope.get("client") or ("127.0.0.1",))[0]
    evaluator.pin_request_origin(address, secure_transport=True)
    evaluator.pin_signed_request(call.method, path.decode("latin-1"), query, call.scope["headers"])
    evaluator.pin_signed_body(call.body)
