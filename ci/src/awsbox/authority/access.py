"""May they: the layer of the gate through which every call of AWS goes.

What a call needs comes from the tables, and each need is put to the emulator's policy evaluation. Then the call goes
on, and the emulator asks no more: its own reading of calls is what the tables are there to correct.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from awsbox.authority import callers, evaluation, operations, service_calls, state, urls, words
from awsbox.authority.audit import Audit, Decision
from awsbox.authority.deliveries import Deliveries
from awsbox.authority.request import Check, Request, tag_keys
from awsbox.authority.tables import BY_PREFIX, SERVICES, VERSIONED
from awsbox.authority.tokens import Issuer
from awsbox.calls import Answer, refusal
from awsbox.seams import replaced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awsbox.authority.callers import Caller
    from awsbox.authority.evaluation import Principal, Ruling
    from awsbox.calls import Call, Next

_JUDGED: ContextVar[bool] = ContextVar("awsbox_judged", default=False)
# Everybody may ask who they are.
FREE = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})
OWN_DOORS = ("/_ministack/", "/_localstack/")


@dataclass
class Authority:
    """The authoriser of one box."""

    account: str
    audit: Audit = field(default_factory=Audit)
    issuer: Issuer = field(default_factory=Issuer)
    root_is_closed: bool = False

    @cached_property
    def deliveries(self) -> Deliveries:
        """What one service may hand to another: `deliveries.may("cloudwatch.amazonaws.com", topic, alarm)`."""
        return Deliveries(self.audit)

    def close_root(self) -> None:
        """From now on nobody is root: not by the emulator's well-known keys, not by an account's number."""
        self.root_is_closed = True

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Stands at the emulator's seams for as long as the block lasts. The emulator must be loaded."""
        from ministack.core import iam_actions, iam_evaluator, router  # noqa: PLC0415 - reads settings when imported

        named, enforce = iam_actions.extract_iam_action, iam_evaluator.enforce

        def unless_judged(*call: Any) -> str | None:
            # The emulator checks keys, but no policy, for a call without an action.
            return None if _JUDGED.get() else named(*call)

        def audited(key: str, action: str, *rest: Any, resource_arn: str = "*", **more: Any) -> Any:
            refused = enforce(key, action, *rest, resource_arn=resource_arn, **more)
            why = "allowed by policy" if refused is None else str(getattr(refused, "reason", refused))
            self.audit.add(Decision(key, action, resource_arn, refused is None, why, "a rule of the box"))
            return refused

        with ExitStack() as seams:
            seams.enter_context(evaluation.mended())
            seams.enter_context(replaced(iam_actions, extract_iam_action=unless_judged))
            seams.enter_context(replaced(iam_evaluator, enforce=audited))
            # Or it reads all of botocore's models to tell whether the service of a signature exists.
            seams.enter_context(replaced(router, _is_aws_service_name=lambda _: True))
            seams.enter_context(self.deliveries.installed())
            yield

    async def layer(self, call: Call, way: Next) -> Answer:
        """Lets a call through when it may."""
        if call.path.startswith(OWN_DOORS) and self.root_is_closed:
            return refusal(call, 403, "AccessDenied", "the root of this box is closed")
        if call.path.startswith(OWN_DOORS) or call.method == "OPTIONS" or urls.is_registry(call.path):
            return await way(call)
        if found := urls.function_url(call):
            return await way(call) if self._opens(call, found) else urls.FORBIDDEN
        caller = callers.known(call, root_is_closed=self.root_is_closed)
        if isinstance(caller, Answer):
            return caller
        if refused := self._judge(call, caller):
            return refused
        token = _JUDGED.set(True)
        try:
            answer = await way(call)
        finally:
            _JUDGED.reset(token)
        return self._without_hint(call, caller, answer)

    def _judge(self, call: Call, caller: Caller) -> Answer | None:
        name, request = _read(call, caller)
        if caller.is_root and urls.is_plain(call):
            self.audit.add(Decision(caller.arn, name, "*", allowed=True, why="root", call=name))
        elif request is None:
            self.audit.add(Decision(caller.arn, name, "*", allowed=False, why="awsbox does not know it", call=name))
            return words.unknown(call, name)
        elif caller.principal is None:
            return self._unsigned(call, request)
        elif refused := self._denied(call, caller.principal, request):
            return refused
        return service_calls.refused(call, request) if request else None

    def _denied(self, call: Call, principal: Principal, request: Request) -> Answer | None:
        """The first need of the call that is not met answers."""
        for check in _checks(request):
            decision = self._decide(principal, check, request)
            if not decision.allowed:
                return words.denied(call, decision)
        return None

    def _decide(self, principal: Principal, check: Check, request: Request) -> Decision:
        call = f"{request.prefix}:{request.operation}"
        if check.action in FREE:
            why = "AWS never refuses it"
            return self.audit.add(Decision(principal.arn, check.action, "*", allowed=True, why=why, call=call))
        ruling = evaluation.rule(principal, check, request.region)
        if not ruling.allowed and check.instead:
            return self._decide(principal, check.instead, request)
        why = ruling.sid or "allowed by policy" if ruling.allowed else _because(ruling, check)
        return self.audit.add(Decision(principal.arn, check.action, check.resource, ruling.allowed, why, call))

    def _unsigned(self, call: Call, request: Request) -> Answer | None:
        """A token speaks for its bearer, and a bucket's policy may let everybody in."""
        if request.operation == "AssumeRoleWithWebIdentity":
            failed = self.issuer.refused(request.arguments, request.account)
            why, role = failed[1] if failed else "by its token", str(request.get("RoleArn"))
            self.audit.add(Decision("anonymous", "sts:AssumeRoleWithWebIdentity", role, not failed, why))
            return refusal(call, 400, *failed) if failed else None
        if request.prefix != "s3":
            return None if (call.service, request.operation) in callers.UNSIGNED else words.unsigned(call)
        checks = list(_checks(request))
        rulings = [evaluation.rule_for_anyone(check, request.account, request.region) for check in checks]
        for check, ruling in zip(checks, rulings, strict=True):
            self.audit.add(
                Decision("anonymous", check.action, check.resource, ruling.allowed, "by the bucket's policy")
            )
        return None if rulings and all(ruling.allowed for ruling in rulings) else words.unsigned(call)

    def _opens(self, call: Call, url: urls.FunctionUrl) -> bool:
        """A function's URL: by the function's policy for everybody, by IAM too for those who sign."""
        caller = None if url.kind == "NONE" else callers.known(call, root_is_closed=self.root_is_closed)
        if isinstance(caller, Answer) or (caller and caller.principal is None):
            return False
        for check in url.checks:
            if caller and caller.principal:
                ruling = evaluation.rule(caller.principal, check, url.region)
            else:
                ruling = evaluation.rule_for_anyone(check, url.account, url.region)
            who, why = caller.arn if caller else "anonymous", f"a URL of type {url.kind}"
            self.audit.add(Decision(who, check.action, check.resource, ruling.allowed, why))
            if not ruling.allowed:
                return False
        return True

    def _without_hint(self, call: Call, caller: Caller, answer: Answer) -> Answer:
        """S3 says that an object is not there to those only who may list the bucket."""
        if answer.status != 404 or call.service != "s3" or call.method not in {"GET", "HEAD"} or not caller.principal:
            return answer
        bucket, _, name = call.path.lstrip("/").partition("/")
        if not name or not state.service("s3")._buckets.get(bucket):  # noqa: SLF001
            return answer
        listing = Check("s3:ListBucket", f"arn:aws:s3:::{bucket}")
        request = Request("s3", "GetObject", {}, caller.account, caller.region)
        decision = self._decide(caller.principal, listing, request)
        return answer if decision.allowed else words.denied(call, decision)


def _read(call: Call, caller: Caller) -> tuple[str, Request | None]:
    """What the call is called, and what it says; None when it is in no table."""
    asked, service = None, SERVICES.get(call.service)
    if urls.is_plain(call):
        asked = operations.asked(replace(call, body=urls.inflated(call)))
    said = asked.operation if asked else f"{call.method} {call.path}"
    name = f"{service.prefix if service else call.service}:{said}"
    if asked is None or service is None or asked.operation not in service.operations:
        return name, None
    place = (caller.account, caller.region)
    return name, Request(service.prefix, said, asked.arguments, *place, call.headers, call.body, caller.arn)


def _checks(request: Request) -> Iterator[Check]:
    """Everything that the call needs: its own action where it happens, and what the tables say beside."""
    service = BY_PREFIX[request.prefix]
    action, agent = service.action(request.operation), {"aws:UserAgent": request.headers.get("user-agent")}
    keys = {**agent, **tag_keys(request), **service.keys(request)}
    if request.prefix == "s3" and request.get("VersionId") and request.operation in VERSIONED:
        action = action.replace("Object", "ObjectVersion")
    for arn in service.operations[request.operation](request):
        yield Check(action, arn, keys)
    for also in service.also.get(request.operation, ()):
        yield from also(request)


def _because(ruling: Ruling, check: Check) -> str:
    """The end of AWS's sentence."""
    if ruling.explicit:
        return f"with an explicit deny in a{'n' if ruling.where[0] in 'aeiou' else ''} {ruling.where}"
    return f"because no {ruling.where} allows the {check.action} action"
