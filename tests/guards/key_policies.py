"""Key policies, and what the lockout guard must say of each. `why` is the argument for the verdict, in a few words.

Those whose names begin with "AWS:" follow examples of AWS's documentation, in our own words and names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

ACCOUNT = "111122223333"
OTHER = "444455556666"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
DEPLOYER = f"arn:aws:iam::{ACCOUNT}:role/delivery/preprod"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/preprod/run-17"
USER = f"arn:aws:iam::{ACCOUNT}:user/alice"
SOMEBODY = f"arn:aws:iam::{ACCOUNT}:role/somebody"
KEYS = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/*"

type Said = dict[str, Any]


def allow(principal: Any, actions: Any = "kms:*", **more: Any) -> Said:
    return {"Effect": "Allow", "Principal": principal, "Action": actions, "Resource": "*", **more}


def deny(principal: Any, actions: Any = "kms:*", **more: Any) -> Said:
    return {**allow(principal, actions, **more), "Effect": "Deny"}


def aws(*names: str) -> Said:
    return {"AWS": list(names) if len(names) > 1 else names[0]}


def when(**condition: Any) -> Said:
    """`when(StringEquals={"kms:ViaService": …})`; a quantifier is written with two underscores for its colon."""
    return {"Condition": {operator.replace("__", ":"): said for operator, said in condition.items()}}


def without(statement: Said, *elements: str) -> Said:
    return {name: said for name, said in statement.items() if name not in elements}


def own(*statements: Said) -> tuple[Said, ...]:
    """Policies of the deployer's own: one, with these statements."""
    return ({"Version": "2012-10-17", "Statement": list(statements)},)


def may(actions: Any = "kms:*", resource: Any = "*", **more: Any) -> Said:
    return {"Effect": "Allow", "Action": actions, "Resource": resource, **more}


def may_not(actions: Any = "kms:*", resource: Any = "*", **more: Any) -> Said:
    return {**may(actions, resource, **more), "Effect": "Deny"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """`identity`: None where nobody has read the deployer's policies."""

    name: str
    statements: tuple[Said, ...]
    verdict: str
    why: str
    severity: str = ""
    deployer: str = DEPLOYER
    identity: tuple[Said, ...] | None = None
    boundary: Said | None = None
    text: str = ""

    @property
    def policy(self) -> str:
        return self.text or json.dumps({"Version": "2012-10-17", "Statement": list(self.statements)})

    @property
    def expected(self) -> tuple[str, str]:
        usual = {"direct": "info", "via-iam": "info", "lockout": "block"}
        return self.verdict, self.severity or usual.get(self.verdict, "block")


def case(name: str, verdict: str, why: str, *statements: Said, **more: Any) -> Case:
    return Case(name=name, verdict=verdict, why=why, statements=statements, **more)


DELEGATES = allow(aws(ROOT))
NAMED = allow(aws(DEPLOYER))
RIGHTS = own(may("kms:PutKeyPolicy"))
ADMINISTRATION = [
    *("kms:Create*", "kms:Describe*", "kms:Enable*", "kms:List*", "kms:Put*", "kms:Update*", "kms:Revoke*"),
    *("kms:Disable*", "kms:Get*", "kms:Delete*", "kms:TagResource", "kms:UntagResource"),
    *("kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion", "kms:RotateKeyOnDemand"),
]
USE = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
GRANTS = ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"]
FOR_SERVICES = when(Bool={"kms:GrantIsForAWSResource": "true"})

DOCUMENTED = (
    case(
        "AWS: default policy, the caller's rights known",
        "via-iam",
        "the account may use IAM, and IAM allows it",
        {**DELEGATES, "Sid": "Enable IAM User Permissions"},
        identity=RIGHTS,
    ),
    case(
        "AWS: default policy, nobody read the caller's rights",
        "via-iam",
        "the key's half is there; the other half is not known",
        {**DELEGATES, "Sid": "Enable IAM User Permissions"},
        severity="warn",
    ),
    case(
        "AWS: default policy, the caller has no rights to keys",
        "lockout",
        "the root statement grants nothing by itself: this is the failure that the project started from",
        {**DELEGATES, "Sid": "Enable IAM User Permissions"},
        identity=own(may("kms:CreateKey")),
    ),
    case(
        "AWS: key administrators name the caller",
        "direct",
        "kms:Put* is PutKeyPolicy, and the caller is in the list",
        DELEGATES,
        allow(aws(SOMEBODY, DEPLOYER), ADMINISTRATION),
    ),
    case(
        "AWS: key administrators are others",
        "lockout",
        "the root statement is left out, and the caller is not in the list",
        allow(aws(SOMEBODY), ADMINISTRATION),
    ),
    case(
        "AWS: key users only",
        "lockout",
        "to use a key is not to change its policy",
        allow(aws(DEPLOYER), USE),
    ),
    case(
        "AWS: key users may make grants for services",
        "lockout",
        "kms:GrantIsForAWSResource is about grants, and no action here is PutKeyPolicy",
        allow(aws(DEPLOYER), USE),
        allow(aws(DEPLOYER), GRANTS, **FOR_SERVICES),
    ),
    case(
        "AWS: what the console writes",
        "direct",
        "root, administrators, users and grants together: the administrators' statement decides",
        DELEGATES,
        allow(aws(DEPLOYER), ADMINISTRATION),
        allow(aws(SOMEBODY), USE),
        allow(aws(SOMEBODY), GRANTS, **FOR_SERVICES),
    ),
    case(
        "AWS: everything, but for services only",
        "lockout",
        "PutKeyPolicy makes no grant: the key of the condition is absent",
        allow(aws(DEPLOYER), **FOR_SERVICES),
    ),
    case(
        "AWS: users of another account",
        "direct",
        "what others may do with the key takes nothing from the caller",
        DELEGATES,
        NAMED,
        allow(aws(f"arn:aws:iam::{OTHER}:root"), USE),
    ),
    case(
        "AWS: another account, and nobody of this one",
        "lockout",
        "PutKeyPolicy cannot be called from another account, and this one is not named",
        allow(aws(f"arn:aws:iam::{OTHER}:root")),
    ),
    case(
        "AWS: only through a service",
        "lockout",
        "PutKeyPolicy is called directly, never through EC2: kms:ViaService is absent",
        allow(aws(DEPLOYER), **when(StringEquals={"kms:ViaService": ["ec2.eu-central-1.amazonaws.com"]})),
    ),
    case(
        "AWS: a Deny for what comes through a service",
        "direct",
        "the Deny's condition does not hold for a direct call",
        NAMED,
        deny(aws(DEPLOYER), **when(StringEquals={"kms:ViaService": "lambda.eu-central-1.amazonaws.com"})),
    ),
    case(
        "AWS: everybody of the account, through a service",
        "lockout",
        "kms:CallerAccount holds, kms:ViaService does not; all conditions must",
        allow(
            aws("*"),
            **when(StringEquals={"kms:CallerAccount": ACCOUNT, "kms:ViaService": "s3.eu-central-1.amazonaws.com"}),
        ),
    ),
    case(
        "AWS: the callers of this account",
        "direct",
        "everybody is named, and the caller is of this account",
        allow(aws("*"), **when(StringEquals={"kms:CallerAccount": ACCOUNT})),
    ),
    case(
        "AWS: the organisation's members",
        "unknown",
        "aws:PrincipalOrgID is the caller's, and no plan says it",
        allow("*", **when(StringEquals={"aws:PrincipalOrgID": "o-a1b2c3d4e5"})),
    ),
    case(
        "AWS: a Deny for all outside of the organisation",
        "unknown",
        "the caller is named, and may yet be denied",
        NAMED,
        deny("*", **when(StringNotEquals={"aws:PrincipalOrgID": "o-a1b2c3d4e5"})),
    ),
    case(
        "AWS: a service may use the key for its owner",
        "via-iam",
        "the service's statement is about the service",
        DELEGATES,
        allow(
            {"Service": "cloudtrail.amazonaws.com"},
            ["kms:GenerateDataKey*", "kms:DescribeKey"],
            **when(StringEquals={"aws:SourceAccount": ACCOUNT}),
        ),
        identity=RIGHTS,
    ),
    case(
        "AWS: a service, and nobody else",
        "lockout",
        "no user or role is a service",
        allow({"Service": ["logs.eu-central-1.amazonaws.com"]}),
    ),
    case(
        "AWS: with a second factor",
        "unknown",
        "whether the call comes with a second factor, only the call says",
        allow(aws(DEPLOYER), "kms:PutKeyPolicy", **when(NumericLessThan={"aws:MultiFactorAuthAge": "300"})),
    ),
    case(
        "AWS: from our network only",
        "unknown",
        "whom aws:SourceIp denies depends on where the pipeline runs",
        NAMED,
        deny("*", **when(NotIpAddress={"aws:SourceIp": ["192.0.2.0/24"]})),
    ),
    case(
        "AWS: from our VPC endpoint only",
        "unknown",
        "whether the call comes through the endpoint, only the call says",
        allow(aws(DEPLOYER), **when(StringEquals={"aws:SourceVpce": "vpce-0a1b2c3d"})),
    ),
    case(
        "AWS: the bypass is forbidden to all",
        "direct",
        "the plan does not bypass the check, so that Deny is not about it",
        NAMED,
        deny("*", ["kms:CreateKey", "kms:PutKeyPolicy"], **when(Bool={"kms:BypassPolicyLockoutSafetyCheck": True})),
    ),
    case(
        "AWS: only with an encryption context",
        "lockout",
        "PutKeyPolicy carries no encryption context",
        allow(aws(DEPLOYER), **when(StringEquals={"kms:EncryptionContext:app": "ledger"})),
    ),
    case(
        "AWS: all but those whose ARN is named are denied",
        "direct",
        "aws:PrincipalArn of a session is its role's ARN, and that is the one named",
        NAMED,
        deny("*", "kms:PutKeyPolicy", **when(ArnNotEquals={"aws:PrincipalArn": [ROOT, DEPLOYER]})),
    ),
)

PRINCIPALS = (
    case("named in a list", "direct", "one of a list is named as well as one alone", allow(aws(SOMEBODY, DEPLOYER))),
    case("everybody, as a word", "direct", '"*" names everybody', allow("*")),
    case("everybody, as AWS", "direct", '{"AWS": "*"} is the same', allow(aws("*"))),
    case(
        "the account by its number", "via-iam", "a number is the account's root", allow(aws(ACCOUNT)), identity=RIGHTS
    ),
    case("an unknown caller of the account", "via-iam", "IAM may allow it", allow(aws(ACCOUNT)), severity="warn"),
    case("a user", "direct", "the very ARN", allow(aws(USER)), deployer=USER),
    case(
        "a user of another name",
        "lockout",
        "names are compared with their case",
        allow(aws(USER)),
        deployer=USER[:-5] + "Alice",
    ),
    case("a session of the role", "direct", "a session is its role, whatever the path", NAMED, deployer=SESSION),
    case(
        "one session only",
        "direct",
        "it works now, and not for the run after",
        allow(aws(SESSION)),
        deployer=SESSION,
        severity="warn",
    ),
    case("another session only", "lockout", "that is another session", allow(aws(SESSION)), deployer=SESSION + "8"),
    case("a session, where the role is asked for", "unknown", "the run's session may be that one", allow(aws(SESSION))),
    case("a role of a longer name", "lockout", "another role", allow(aws(SOMEBODY + "s")), deployer=SOMEBODY),
    case(
        "another role, for a session",
        "lockout",
        "another role",
        allow(aws(f"{ROOT[:-4]}role/xpreprod")),
        deployer=SESSION,
    ),
    case("a federated user", "lockout", "the caller is none", allow(aws(f"arn:aws:sts::{ACCOUNT}:federated-user/bob"))),
    case(
        "an identity provider",
        "lockout",
        "a role that was assumed through a provider is a role",
        allow({"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"}),
    ),
    case("root asks", "direct", "root is who the statement names", DELEGATES, deployer=ROOT),
    case(
        "root asks, and is not named", "lockout", "not even root may, unless the policy says so", NAMED, deployer=ROOT
    ),
    case(
        "a canonical user",
        "unknown",
        "S3's name for an account: what KMS makes of it, nobody says",
        allow({"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}),
    ),
    case(
        "all but another, allowed",
        "unknown",
        "AWS does not support NotPrincipal with Allow",
        without({**NAMED, "NotPrincipal": aws(SOMEBODY)}, "Principal"),
    ),
    case(
        "all but another, denied",
        "lockout",
        "whoever is not spared is denied",
        NAMED,
        without({**deny("*"), "NotPrincipal": aws(SOMEBODY, ROOT)}, "Principal"),
    ),
    case(
        "all but this user, denied",
        "direct",
        "the user and its account are spared, and it has no boundary",
        allow(aws(USER)),
        without({**deny("*"), "NotPrincipal": aws(USER, ROOT)}, "Principal"),
        deployer=USER,
        identity=(),
    ),
    case(
        "all but this user, whose account is not spared",
        "unknown",
        "AWS asks for the account beside the user: without it, the user may be denied",
        allow(aws(USER)),
        without({**deny("*"), "NotPrincipal": aws(USER)}, "Principal"),
        deployer=USER,
        identity=(),
    ),
    case(
        "all but this user, who has a boundary",
        "lockout",
        "a Deny with NotPrincipal always denies whoever has a permissions boundary",
        allow(aws(USER)),
        without({**deny("*"), "NotPrincipal": aws(USER, ROOT)}, "Principal"),
        deployer=USER,
        identity=(),
        boundary=own(may("*"))[0],
    ),
    case(
        "all but this role, denied",
        "unknown",
        "the session must be spared as well, and its name is not known",
        NAMED,
        without({**deny("*"), "NotPrincipal": aws(DEPLOYER, ROOT)}, "Principal"),
    ),
)

DEAD = (
    case(
        "the id of a deleted role",
        "dead-principal",
        "AWS writes the id where a deleted role stood, and refuses it when it comes back",
        NAMED,
        allow(aws("AROAJQABLZS4A3QDU576Q"), USE),
    ),
    case("the id of a deleted user", "dead-principal", "as for a role", NAMED, allow(aws("AIDAJQABLZS4A3QDU576Q"))),
    case("an ARN with a wildcard", "dead-principal", "a principal is no pattern", allow(aws(f"{ROOT[:-4]}role/*"))),
    case("a name alone", "dead-principal", "a principal is an ARN", allow(aws("preprod"))),
    case("a number too short", "dead-principal", "an account has 12 digits", NAMED, allow(aws("11112222333"))),
    case("a group", "dead-principal", "a group is no principal", NAMED, allow(aws(f"{ROOT[:-4]}group/admins"))),
    case("a service's short name", "dead-principal", "no such service", NAMED, allow({"Service": "lambda"}, USE)),
    case("a kind that is none", "dead-principal", "AWS knows no such kind", NAMED, allow({"Role": DEPLOYER})),
    case("an ARN as a word", "dead-principal", 'only "*" may stand there alone', allow(DEPLOYER)),
    case(
        "the role without its path",
        "dead-principal",
        "names are an account's own, so a role of this name with no path does not exist",
        allow(aws(f"arn:aws:iam::{ACCOUNT}:role/preprod")),
    ),
)

EFFECTS = (
    case("a denied administrator", "lockout", "an explicit Deny wins", NAMED, deny(aws(DEPLOYER), "kms:PutKeyPolicy")),
    case("a denied account", "lockout", "what is denied to the account is denied to all in it", NAMED, deny(aws(ROOT))),
    case("somebody else is denied", "direct", "a Deny for another", NAMED, deny(aws(SOMEBODY))),
    case("other actions are denied", "direct", "a Deny for deletion", NAMED, deny("*", "kms:ScheduleKeyDeletion")),
    case("an action in small letters", "direct", "actions have no case", allow(aws(DEPLOYER), "KMS:putkeypolicy")),
    case("a pattern of one sign", "direct", "? is one sign", allow(aws(DEPLOYER), "kms:Put?eyPolicy")),
    case("another service's actions", "lockout", "kms is not s3", allow(aws(DEPLOYER), "s3:*")),
    case("an action without a service", "lockout", "names no action", allow(aws(DEPLOYER), "PutKeyPolicy")),
    case(
        "all actions but one",
        "direct",
        "PutKeyPolicy is not the one",
        without({**NAMED, "NotAction": "kms:ScheduleKeyDeletion"}, "Action"),
    ),
    case(
        "all actions but changes",
        "lockout",
        "PutKeyPolicy is one of those",
        without({**NAMED, "NotAction": ["kms:Put*"]}, "Action"),
    ),
    case(
        "all actions but reading, denied",
        "lockout",
        "PutKeyPolicy is denied with the rest",
        NAMED,
        without({**deny(aws(DEPLOYER)), "NotAction": ["kms:Get*", "kms:Describe*"]}, "Action"),
    ),
    case("an ARN of any key here", "direct", "whatever the new key's id is", {**NAMED, "Resource": KEYS}),
    case("the ARN of a certain key", "lockout", "the new key has another", {**NAMED, "Resource": KEYS[:-1] + "1234"}),
    case("an alias", "lockout", "a key is not its alias", {**NAMED, "Resource": KEYS.replace("key/*", "alias/a")}),
    case("keys of a certain kind", "unknown", "nobody knows the new id", {**NAMED, "Resource": KEYS[:-1] + "mrk-*"}),
    case(
        "an action both named and not",
        "unknown",
        "AWS refuses it, or takes one of the two",
        {**NAMED, "NotAction": "kms:Put*"},
    ),
    case("no action", "ineffective-statement", "taken, and without effect", without(NAMED, "Action")),
    case("no resource", "ineffective-statement", "taken, and without effect", without(NAMED, "Resource")),
    case(
        "no resource, beside the root statement",
        "ineffective-statement",
        "the caller's own policies let it in, and yet its statement does nothing",
        DELEGATES,
        without(NAMED, "Resource"),
        identity=RIGHTS,
        severity="warn",
    ),
    case("no principal", "ineffective-statement", "AWS refuses it", NAMED, without(allow("*"), "Principal")),
    case("no principal in the list", "ineffective-statement", "nobody is named", NAMED, allow({"AWS": []})),
    case(
        "without effect, and denied besides",
        "lockout",
        "were it whole, the Deny would win",
        without(NAMED, "Action"),
        deny(aws(DEPLOYER)),
    ),
)

CONDITIONS = (
    case("our account", "direct", "holds", {**NAMED, **when(StringEquals={"aws:PrincipalAccount": [OTHER, ACCOUNT]})}),
    case("another account", "lockout", "does not", {**NAMED, **when(StringEquals={"aws:PrincipalAccount": OTHER})}),
    case("over TLS", "direct", "KMS knows nothing else", {**NAMED, **when(Bool={"aws:SecureTransport": "true"})}),
    case("not over TLS", "direct", "nothing to deny", NAMED, deny("*", **when(Bool={"aws:SecureTransport": "false"}))),
    case(
        "a pattern of roles",
        "direct",
        "the role's ARN with its path fits",
        allow(aws("*"), **when(ArnLike={"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/delivery/*"})),
    ),
    case(
        "a pattern of roles, for a session",
        "unknown",
        "a session does not say its role's path",
        allow(aws("*"), **when(ArnLike={"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/delivery/*"})),
        deployer=SESSION,
    ),
    case(
        "any role of the account, for a session",
        "direct",
        "whatever the path is, it fits",
        allow(aws("*"), **when(StringLike={"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/*"})),
        deployer=SESSION,
    ),
    case(
        "only with a service, if there is one",
        "direct",
        "IfExists holds where the call has no such key",
        {**NAMED, **when(StringEqualsIfExists={"kms:ViaService": "s3.eu-central-1.amazonaws.com"})},
    ),
    case("not through a service", "direct", "the key is absent", {**NAMED, **when(Null={"kms:ViaService": "true"})}),
    case("through some service", "lockout", "the key is absent", {**NAMED, **when(Null={"kms:ViaService": False})}),
    case(
        "any of certain aliases",
        "lockout",
        "a new key has no alias yet",
        {**NAMED, **when(ForAnyValue__StringEquals={"kms:ResourceAliases": "alias/data"})},
    ),
    case(
        "only certain aliases",
        "direct",
        "ForAllValues holds where there are none",
        {**NAMED, **when(ForAllValues__StringEquals={"kms:ResourceAliases": "alias/data"})},
    ),
    case(
        "the key's own tag",
        "direct",
        "the plan sets it",
        {**NAMED, **when(StringEquals={"aws:ResourceTag/env": "preprod"})},
    ),
    case(
        "another tag", "lockout", "the plan sets no such", {**NAMED, **when(StringEquals={"aws:ResourceTag/team": "a"})}
    ),
    case("the caller's tag", "unknown", "no plan says it", {**NAMED, **when(StringEquals={"aws:PrincipalTag/a": "b"})}),
    case(
        "a variable",
        "unknown",
        "filled in by the call",
        {**NAMED, **when(StringEquals={"aws:PrincipalAccount": "${a}"})},
    ),
    case(
        "an operator that is none",
        "unknown",
        "AWS knows no such",
        {**NAMED, **when(StringIs={"aws:PrincipalAccount": ACCOUNT})},
    ),
    case(
        "a source that services name",
        "lockout",
        "absent",
        {**NAMED, **when(StringEquals={"aws:SourceAccount": ACCOUNT})},
    ),
    case("a date", "unknown", "depends on the day", {**NAMED, **when(DateLessThan={"aws:CurrentTime": "2030-01-01"})}),
    case(
        "an unknown condition that does not matter",
        "direct",
        "another statement is enough",
        NAMED,
        {**NAMED, **when(StringEquals={"aws:PrincipalOrgID": "o-a1b2c3d4e5"})},
    ),
)

IDENTITIES = (
    case("all keys of ours", "via-iam", "whatever the id", DELEGATES, identity=own(may("kms:Put*", KEYS))),
    case("administrator", "via-iam", "everything is allowed", DELEGATES, identity=own(may("*"))),
    case(
        "everything but IAM",
        "via-iam",
        "kms is not iam",
        DELEGATES,
        identity=own(without({**may(), "NotAction": "iam:*"}, "Action")),
    ),
    case(
        "another region's keys",
        "lockout",
        "the key is in another",
        DELEGATES,
        identity=own(may(resource=KEYS.replace("central", "west"))),
    ),
    case(
        "another account's keys",
        "lockout",
        "not this key",
        DELEGATES,
        identity=own(may(resource=KEYS.replace(ACCOUNT, OTHER))),
    ),
    case(
        "a certain key",
        "lockout",
        "a new key has another id",
        DELEGATES,
        identity=own(may(resource=KEYS[:-1] + "1234")),
    ),
    case(
        "only keys with our tag",
        "via-iam",
        "the plan tags it so",
        DELEGATES,
        identity=own(may(**when(StringEquals={"aws:ResourceTag/env": "preprod"}))),
    ),
    case(
        "only keys with another tag",
        "lockout",
        "the plan tags it otherwise",
        DELEGATES,
        identity=own(may(**when(StringEquals={"aws:ResourceTag/env": "prod"}))),
    ),
    case("denied by its own", "lockout", "a Deny wins", NAMED, identity=own(may("*"), may_not("kms:PutKeyPolicy"))),
    case(
        "denied unless with a second factor",
        "unknown",
        "only the call says",
        NAMED,
        identity=own(may_not("*", **when(BoolIfExists={"aws:MultiFactorAuthPresent": "false"}))),
    ),
    case("a policy that cannot be read", "unknown", "it may deny", NAMED, identity=({"Statement": "all"},)),
    case(
        "a boundary without keys",
        "lockout",
        "IAM's Allow ends at the boundary",
        DELEGATES,
        identity=RIGHTS,
        boundary=own(may("s3:*"))[0],
    ),
    case("a boundary with keys", "via-iam", "both allow", DELEGATES, identity=RIGHTS, boundary=own(may("kms:*"))[0]),
    case(
        "a boundary narrows a named role",
        "lockout",
        "what a policy gives to a role's ARN is within its boundary",
        NAMED,
        identity=(),
        boundary=own(may("s3:*"))[0],
    ),
    case(
        "a boundary does not narrow a named user",
        "direct",
        "what it gives to a user's ARN is not",
        allow(aws(USER)),
        deployer=USER,
        identity=(),
        boundary=own(may("s3:*"))[0],
    ),
    case(
        "nor a named session",
        "direct",
        "nor what it gives to a session's",
        allow(aws(SESSION)),
        deployer=SESSION,
        identity=(),
        boundary=own(may("s3:*"))[0],
        severity="warn",
    ),
    case(
        "a boundary that denies",
        "lockout",
        "a Deny wins wherever it is",
        allow(aws(USER)),
        deployer=USER,
        identity=(),
        boundary=own(may_not("kms:*"))[0],
    ),
    case("no rights, and named", "direct", "the key's policy is enough", NAMED, identity=()),
)

BROKEN = (
    case("no JSON", "unknown", "AWS refuses it", text="{bad"),
    case("no object", "unknown", "AWS refuses it", text="[]"),
    case("no statement", "unknown", "AWS refuses it", text='{"Version": "2012-10-17"}'),
    case("an effect that is none", "unknown", "AWS refuses it", {**NAMED, "Effect": "allow"}),
    case(
        "a version that is none",
        "unknown",
        "AWS refuses it",
        text=json.dumps({"Version": "2030-01-01", "Statement": NAMED}),
    ),
    case("an element that is none", "unknown", "AWS refuses it", {**NAMED, "Conditions": {}}),
    case("one statement without a list", "direct", "a lone one needs none", text=json.dumps({"Statement": NAMED})),
    case("an old version", "direct", "still taken", text=json.dumps({"Version": "2008-10-17", "Statement": [NAMED]})),
)

CASES = (*DOCUMENTED, *PRINCIPALS, *DEAD, *EFFECTS, *CONDITIONS, *IDENTITIES, *BROKEN)
