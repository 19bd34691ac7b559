"""Each reader's question and answer, on the wire and against the box. tests/adoption asks them all as the deployer."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from ferry.errors import AwsError
from ferry.outside.aws import Access, Credentials, failures, probes
from ferry.outside.aws.probes import Found, State
from ferry.outside.aws.probes.questions import Reader
from ferry.tfplan import Action, Change, Plan
from tests.awsbox import setup, terraform
from tests.awsbox.people import allow, policy, trusting
from tests.outside.aws.small_aws import NOBODY, as_root, small_aws

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ferry.outside.aws.probes.questions import Question
    from tests.awsbox.people import Account

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]
TAGS = {"project": "news", "environment": "preprod"}
NOWHERE = Access(region="us-east-1", credentials=NOBODY, endpoint="http://127.0.0.1:9")
DENIED = """<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error>
</ErrorResponse>"""
_NUMBERS = count(1)


def dict_of(readers: Mapping[str, Reader]) -> dict[str, Reader]:
    assert isinstance(readers, dict)
    return readers


def new(type: str, **after: Any) -> Change:
    """What a plan would create; what is None only the apply knows."""
    known = {name: value for name, value in after.items() if value is not None}
    unknown = {name: True for name in after if name not in known}
    return Change(address=f"{type}.this", type=type, action=Action.CREATE, after=known, unknown=unknown)


async def asked(access: Access, change: Change, *others: Change) -> Found | None:
    plan = Plan(changes={one.address: one for one in (change, *others)})
    return await probes.existing(access, change, plan)


async def id_of(account: Account, type: str, **after: Any) -> str | None:
    found = await asked(as_root(account), new(type, **after))
    return found.id if found else None


@pytest.fixture
def name() -> str:
    return f"preprod-probed-{next(_NUMBERS)}"


def test_every_type_of_the_infrastructure_has_a_reader() -> None:
    files = [*(ROOT / "infrastructure").rglob("*.tf")]
    types = {found for file in files for found in re.findall(r'^resource "(\w+)"', file.read_text(), re.MULTILINE)}
    assert len(types) > 30
    assert types - probes.READERS.keys() == set()


def test_the_parent_of_a_part_is_asked_for_by_name() -> None:
    for reader in probes.READERS.values():
        assert not reader.parent or probes.READERS[reader.parent].needs
    part = new("aws_iam_role_policy", role="app", name="own")
    assert probes.parent(part) == probes.name(new("aws_iam_role", name="app")) == ("aws_iam_role", "app")


@pytest.mark.parametrize(
    ("type", "after"),
    [
        ("aws_iam_role", {}),
        ("aws_iam_role", {"name": None, "name_prefix": "app-"}),
        ("aws_iam_role", {"name": ""}),
        ("aws_lambda_function_url", {"function_name": "app", "qualifier": None}),
        ("aws_vpc", {"cidr_block": "10.0.0.0/8"}),
    ],
)
async def test_what_has_no_name_yet_and_what_nobody_can_look_for_is_not_asked(type: str, after: dict[str, Any]) -> None:
    assert not probes.named(new(type, **after))
    assert await asked(NOWHERE, new(type, **after)) is None


@pytest.mark.parametrize(
    ("type", "after", "found"),
    [
        ("aws_sqs_queue_policy", {"queue_url": None}, ("queue_url",)),
        (
            "aws_sns_topic_subscription",
            {"topic_arn": None, "protocol": "sqs", "endpoint": None},
            ("topic_arn", "endpoint"),
        ),
        ("aws_cloudwatch_event_target", {"rule": "tick", "arn": None}, ("arn",)),
        ("aws_iam_role_policy", {"role": None, "name": "own"}, ("role",)),
        # A provider makes these up where nobody gives them.
        ("aws_iam_role_policy", {"role": None, "name": None}, ()),
        ("aws_s3_bucket", {"bucket": None}, ()),
        # These nobody will know.
        ("aws_sqs_queue_policy", {}, ()),
        ("aws_lambda_function_url", {"function_name": None, "qualifier": None}, ()),
        ("aws_vpc", {"cidr_block": None}, ()),
        ("aws_sqs_queue_policy", {"queue_url": "known"}, ()),
    ],
)
def test_only_what_the_configuration_has_to_give_is_missing(
    type: str, after: dict[str, Any], found: tuple[str, ...]
) -> None:
    assert probes.missing(new(type, **after)) == found


@pytest.mark.slow
@pytest.mark.skipif(bool(terraform.absent()), reason=terraform.absent() or "terraform is here")
def test_no_provider_makes_up_what_a_configuration_has_to_give(account: Account, tmp_path: Path) -> None:
    """Else a plan would show what was imported, and not what was meant."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "main.tf").write_text('terraform {\n  required_providers { aws = { source = "hashicorp/aws" } }\n}\n')
    root = terraform.Root.of(source, tmp_path / "root", account.root)
    root.init()
    (said,) = json.loads(root.run("providers", "schema", "-json"))["provider_schemas"].values()
    given = [(type, name) for type, reader in probes.READERS.items() for name in reader.given]
    about = {(type, name): said["resource_schemas"][type]["block"]["attributes"][name] for type, name in given}
    assert len(about) > 15
    assert [one for one, schema in about.items() if not schema.get("required") or schema.get("computed")] == []


async def test_the_arn_of_what_is_found_is_said_where_it_is_known(account: Account, name: str) -> None:
    root = account.root
    root.client("s3").create_bucket(Bucket=name)
    root.client("sqs").create_queue(QueueName=name)
    root.client("logs").create_log_group(logGroupName=name)
    root.client("events").put_rule(Name=name, ScheduleExpression="rate(1 hour)")
    setup.function(root, name, account.role(name=name), Publish=True)
    root.client("lambda").create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    known = {
        ("aws_s3_bucket", "bucket"): f"arn:aws:s3:::{name}",
        ("aws_sns_topic", "name"): root.client("sns").create_topic(Name=name)["TopicArn"],
        ("aws_sqs_queue", "name"): account.arn("sqs", name),
        ("aws_iam_role", "name"): f"arn:aws:iam::{account.box.account}:role/{name}",
        ("aws_cloudwatch_log_group", "name"): account.arn("logs", f"log-group:{name}"),
        ("aws_cloudwatch_event_rule", "name"): account.arn("events", f"rule/{name}"),
        ("aws_lambda_function", "function_name"): account.arn("lambda", f"function:{name}"),
    }
    found = {(type, key): await asked(as_root(account), new(type, **{key: name})) for type, key in known}
    assert {one: answer.arn for one, answer in found.items() if answer} == known
    alias = await asked(as_root(account), new("aws_lambda_alias", function_name=name, name="live"))
    assert alias is not None
    assert alias.arn == account.arn("lambda", f"function:{name}:live")


async def test_a_refusal_is_not_an_absence() -> None:
    with small_aws(GetRole=(403, DENIED)) as aws, pytest.raises(AwsError, match="AccessDenied") as caught:
        await asked(aws.access(), new("aws_iam_role", name="app"))
    assert caught.value.where == "iam:GetRole app"


@pytest.mark.parametrize(
    ("code", "times", "tries"), [("ThrottlingException", 2, 3), ("Throttling", 99, 4), ("AccessDenied", 99, 1)]
)
async def test_what_is_too_much_for_aws_is_asked_again_and_what_is_denied_is_not(
    monkeypatch: pytest.MonkeyPatch, code: str, times: int, tries: int
) -> None:
    asked_so_far: list[str] = []

    def read(question: Question) -> Found:
        asked_so_far.append(question["name"])
        with failures.translated("iam:GetRole app"):
            if len(asked_so_far) <= times:
                raise ClientError({"Error": {"Code": code, "Message": "no"}}, "GetRole")
        return Found(id=question["name"])

    monkeypatch.setattr(probes, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setitem(dict_of(probes.READERS), "scripted", Reader(read=read, needs=("name",)))
    with pytest.raises(AwsError, match=code) if tries <= times else nullcontext():
        assert await asked(NOWHERE, new("scripted", name="app")) == Found(id="app")
    assert len(asked_so_far) == tries


async def test_tags_that_are_withheld_are_not_no_tags() -> None:
    withheld = {"Configuration": {}, "TagsError": {"ErrorCode": "AccessDeniedException", "Message": "no ListTags"}}
    with small_aws(GetFunction=(200, withheld)) as aws, pytest.raises(AwsError, match="AccessDenied") as caught:
        await asked(aws.access(), new("aws_lambda_function", function_name="app"))
    assert "lambda:ListTags" in caught.value.next


async def test_a_group_whose_name_only_begins_alike_is_another(account: Account, name: str) -> None:
    logs = account.root.client("logs")
    logs.create_log_group(logGroupName=f"{name}-2")
    assert await id_of(account, "aws_cloudwatch_log_group", name=name) is None
    logs.create_log_group(logGroupName=name, tags=TAGS)
    found = await asked(as_root(account), new("aws_cloudwatch_log_group", name=name))
    assert found is not None
    assert (found.id, found.tags) == (name, TAGS)


async def test_a_bucket_is_imported_by_its_name(account: Account, name: str) -> None:
    assert await id_of(account, "aws_s3_bucket", bucket=name) is None
    account.root.client("s3").create_bucket(Bucket=name)
    found = await asked(as_root(account), new("aws_s3_bucket", bucket=name))
    assert found is not None
    assert (found.id, found.tags, found.state) == (name, {}, State.READY)
    assert await id_of(account, "aws_s3_bucket_versioning", bucket=name) is None
    assert await id_of(account, "aws_s3_bucket_policy", bucket=name) is None


async def test_a_bucket_that_may_not_be_looked_at_is_not_taken(account: Account, name: str) -> None:
    account.root.client("s3").create_bucket(Bucket=name)
    somebody = account.user(allow("sts:GetCallerIdentity"))
    credentials = Credentials(key=somebody.key, secret=somebody.secret)
    access = Access(region="us-east-1", endpoint=somebody.endpoint, credentials=credentials)
    found = await asked(access, new("aws_s3_bucket", bucket=name))
    assert found is not None
    assert (found.state, found.verdict) == (State.STUCK, "not-ours")
    assert "s3:ListBucket" in found.next


async def test_a_secret_that_waits_for_its_end_has_to_be_restored(account: Account, name: str) -> None:
    client = account.root.client("secretsmanager")
    assert await id_of(account, "aws_secretsmanager_secret", name=name) is None
    arn = client.create_secret(Name=name, SecretString="x", Tags=[{"Key": "project", "Value": "news"}])["ARN"]
    client.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    found = await asked(as_root(account), new("aws_secretsmanager_secret", name=name))
    assert found is not None
    assert (found.id, found.state, found.tags) == (arn, State.LEAVING, {"project": "news"})

    await probes.restore(as_root(account), found.id)

    found = await asked(as_root(account), new("aws_secretsmanager_secret", name=name))
    assert found is not None
    assert found.state is State.READY
    assert client.get_secret_value(SecretId=name)["SecretString"] == "x"


async def test_what_is_being_made_is_busy() -> None:
    table = {"Table": {"TableName": "items", "TableArn": "arn", "TableStatus": "CREATING"}}
    with small_aws(DescribeTable=(200, table), ListTagsOfResource=(200, {"Tags": []})) as aws:
        found = await asked(aws.access(), new("aws_dynamodb_table", name="items"))
    assert found is not None
    assert (found.state, found.note) == (State.BUSY, "CREATING")
    function = {"Configuration": {"State": "Pending", "LastUpdateStatus": "InProgress"}}
    with small_aws(GetFunction=(200, function)) as aws:
        found = await asked(aws.access(), new("aws_lambda_function", function_name="app"))
    assert found is not None
    assert (found.state, found.note) == (State.BUSY, "Pending, its last update InProgress")


async def test_the_policy_that_a_topic_is_born_with_is_nobodys(account: Account, name: str) -> None:
    sns = account.root.client("sns")
    arn = sns.create_topic(Name=name)["TopicArn"]
    assert await id_of(account, "aws_sns_topic", name=name) == arn
    assert await id_of(account, "aws_sns_topic_policy", arn=arn) is None
    own = policy({"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": arn})
    sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=own)
    assert await id_of(account, "aws_sns_topic_policy", arn=arn) == arn


async def test_a_subscription_that_nobody_confirmed_cannot_be_taken(account: Account, name: str) -> None:
    sns = account.root.client("sns")
    arn = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="a@example.com")
    asks = {"topic_arn": arn, "protocol": "sqs", "endpoint": account.arn("sqs", name)}
    assert await id_of(account, "aws_sns_topic_subscription", **asks) is None
    account.root.client("sqs").create_queue(QueueName=name)
    made = sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=asks["endpoint"])["SubscriptionArn"]
    assert await id_of(account, "aws_sns_topic_subscription", **asks) == made


async def test_a_queue_is_imported_by_its_url(account: Account, name: str) -> None:
    sqs = account.root.client("sqs")
    assert await id_of(account, "aws_sqs_queue", name=name) is None
    url = sqs.create_queue(QueueName=name, tags=TAGS)["QueueUrl"]
    found = await asked(as_root(account), new("aws_sqs_queue", name=name))
    assert found is not None
    assert (found.id, found.tags) == (url, TAGS)
    assert await id_of(account, "aws_sqs_queue_policy", queue_url=url) is None
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy(allow("sqs:SendMessage"))})
    assert await id_of(account, "aws_sqs_queue_policy", queue_url=url) == url


async def test_a_target_without_an_id_is_told_by_what_it_calls(account: Account, name: str) -> None:
    events, arn = account.root.client("events"), account.arn("sqs", "there")
    assert await id_of(account, "aws_cloudwatch_event_target", rule=name, arn=arn) is None
    events.put_rule(Name=name, ScheduleExpression="rate(1 hour)")
    events.put_targets(Rule=name, Targets=[{"Id": "made-up", "Arn": arn}])
    bus = {"event_bus_name": "default"}
    assert await id_of(account, "aws_cloudwatch_event_target", rule=name, arn=arn, **bus) == f"{name}/made-up"
    assert await id_of(account, "aws_cloudwatch_event_target", rule=name, arn=f"{arn}-2", **bus) is None
    assert await id_of(account, "aws_cloudwatch_event_target", rule=name, arn=arn, target_id="other") is None
    assert await id_of(account, "aws_cloudwatch_event_rule", name=name, **bus) == name


async def test_people_policies_and_who_has_them(account: Account, name: str) -> None:
    iam, said = account.root.client("iam"), policy(allow("s3:ListBucket"))
    arn = f"arn:aws:iam::{account.box.account}:policy/teams/{name}"
    asks: tuple[tuple[str, dict[str, str], str], ...] = (
        ("aws_iam_policy", {"name": name, "path": "/teams/"}, arn),
        ("aws_iam_user", {"name": name}, name),
        ("aws_iam_role", {"name": name}, name),
        ("aws_iam_user_policy_attachment", {"user": name, "policy_arn": arn}, f"{name}/{arn}"),
        ("aws_iam_role_policy_attachment", {"role": name, "policy_arn": arn}, f"{name}/{arn}"),
    )
    assert [await id_of(account, type, **after) for type, after, _ in asks] == [None] * len(asks)
    iam.create_policy(PolicyName=name, Path="/teams/", PolicyDocument=said)
    iam.create_user(UserName=name)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting("lambda.amazonaws.com"))
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    assert [await id_of(account, type, **after) for type, after, _ in asks] == [id for _, _, id in asks]


async def test_a_provider_of_tokens_is_imported_by_its_arn(account: Account, name: str) -> None:
    url = f"https://{name}.example.com"
    assert await id_of(account, "aws_iam_openid_connect_provider", url=url) is None
    made = account.root.client("iam").create_open_id_connect_provider(Url=url)["OpenIDConnectProviderArn"]
    assert await id_of(account, "aws_iam_openid_connect_provider", url=url) == made


class Keys:
    """Keys of one description, which is what they have in common with the plan."""

    def __init__(self, account: Account, name: str) -> None:
        self.kms, self.account, self.name = account.root.client("kms"), account, name

    def make(self, **tags: str) -> str:
        pairs = [{"TagKey": key, "TagValue": value} for key, value in tags.items()]
        return str(self.kms.create_key(Description=self.name, Tags=pairs)["KeyMetadata"]["KeyId"])

    async def found(self, tags: dict[str, str] | None = None) -> Found | None:
        key = new("aws_kms_key", description=self.name, tags_all=TAGS if tags is None else tags)
        alias = new("aws_kms_alias", name=f"alias/{self.name}", target_key_id=None)
        return await asked(as_root(self.account), key, alias)

    async def alias(self) -> Found | None:
        return await asked(as_root(self.account), new("aws_kms_alias", name=f"alias/{self.name}"))


@pytest.fixture
def keys(account: Account, name: str) -> Keys:
    return Keys(account, name)


@pytest.mark.req("P-06")
async def test_a_key_that_a_dead_run_left_is_found_by_its_tags(keys: Keys) -> None:
    keys.make(project="news", environment="prod")
    assert await keys.found() is None
    left = keys.make(**TAGS)
    found = await keys.found()
    assert found is not None
    assert (found.id, found.tags, found.state) == (left, TAGS, State.READY)
    # A plan that does not say which environment it is for would find any other's.
    assert await keys.found({"project": "news"}) is None


@pytest.mark.req("P-06")
async def test_a_key_is_found_by_the_alias_of_the_plan(keys: Keys) -> None:
    assert await keys.alias() is None
    made = keys.make()
    keys.make(**TAGS)
    keys.kms.create_alias(AliasName=f"alias/{keys.name}", TargetKeyId=made)
    found, alias = await keys.found(), await keys.alias()
    assert found is not None
    assert alias is not None
    # The one with the name is in use; another with the tags is not.
    assert (found.id, alias.id) == (made, f"alias/{keys.name}")


async def test_two_keys_that_could_be_it_are_not_chosen_between(keys: Keys) -> None:
    both = sorted([keys.make(**TAGS), keys.make(**TAGS)])
    found = await keys.found()
    assert found is not None
    assert (found.state, found.verdict, found.blocks) == (State.STUCK, "ambiguous", True)
    assert ", ".join(both) in found.note
    assert f"--alias-name alias/{keys.name}" in found.next


@pytest.mark.req("P-06")
@pytest.mark.parametrize("named", [True, False])
async def test_a_key_pending_deletion_is_never_used_and_the_step_that_saves_it_is_said(
    keys: Keys, *, named: bool
) -> None:
    made = keys.make(**TAGS)
    if named:
        keys.kms.create_alias(AliasName=f"alias/{keys.name}", TargetKeyId=made)
    keys.kms.schedule_key_deletion(KeyId=made, PendingWindowInDays=7)
    for found in [await keys.found()] + ([await keys.alias()] if named else []):
        assert found is not None
        assert (found.state, found.verdict) == (State.STUCK, "pending-deletion")
        # One without a name is what a destroyed environment leaves: a new one may be made.
        assert found.blocks is named
        assert found.next == f"aws kms cancel-key-deletion --key-id {made} && aws kms enable-key --key-id {made}"


async def test_cost_monitors_are_found_by_tags_and_name(account: Account, name: str) -> None:
    ce = account.root.client("ce")
    asks: dict[str, Any] = {"name": name, "tags_all": TAGS}

    def make(**tags: str) -> str:
        monitor = {"MonitorName": name, "MonitorType": "CUSTOM", "MonitorSpecification": {}}
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        return str(ce.create_anomaly_monitor(AnomalyMonitor=monitor, ResourceTags=pairs)["MonitorArn"])

    make(project="news", environment="prod")
    assert await id_of(account, "aws_ce_anomaly_monitor", **asks) is None
    made = make(**TAGS)
    assert await id_of(account, "aws_ce_anomaly_monitor", **asks) == made
    assert await id_of(account, "aws_ce_anomaly_monitor", **asks | {"name": "another"}) is None
    make(**TAGS)
    found = await asked(as_root(account), new("aws_ce_anomaly_monitor", **asks))
    assert found is not None
    assert (found.state, found.verdict) == (State.STUCK, "ambiguous")


@pytest.mark.parametrize(
    ("type", "answers"),
    [
        ("aws_ce_anomaly_monitor", {"GetAnomalyMonitors": (400, {"__type": "UnknownMonitorException"})}),
        ("aws_ce_anomaly_subscription", {"GetAnomalySubscriptions": (400, {"__type": "UnknownSubscriptionException"})}),
        (
            "aws_kms_key",
            {"ListAliases": (200, {"Aliases": []}), "DescribeKey": (400, {"__type": "NotFoundException"})},
        ),
    ],
)
async def test_tags_that_outlive_what_they_were_on_lead_nowhere(type: str, answers: dict[str, tuple[int, Any]]) -> None:
    tagged = {"ResourceARN": "arn:aws:kms:us-east-1:1:key/gone", "Tags": [{"Key": "environment", "Value": "preprod"}]}
    with small_aws(GetResources=(200, {"ResourceTagMappingList": [tagged]}), **answers) as aws:
        assert await asked(aws.access(), new(type, name="watch", tags_all=TAGS)) is None
    assert set(aws.history) == {"GetResources", *answers}


async def test_what_hangs_on_a_function_is_found_by_its_alias(account: Account, name: str) -> None:
    client, on = account.root.client("lambda"), {"function_name": name, "qualifier": "live"}
    setup.function(account.root, name, account.role(name=name), Publish=True, Tags=TAGS)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    asks: tuple[tuple[str, dict[str, str], str], ...] = (
        ("aws_lambda_function_url", on, f"{name}/live"),
        ("aws_lambda_function_event_invoke_config", on, f"{name}:live"),
        ("aws_lambda_permission", {**on, "statement_id": "said"}, f"{name}:live/said"),
    )
    assert [await id_of(account, type, **after) for type, after, _ in asks] == [None] * len(asks)
    where: dict[str, str] = {"FunctionName": name, "Qualifier": "live"}
    client.create_function_url_config(**where, AuthType="NONE")
    client.put_function_event_invoke_config(**where, MaximumRetryAttempts=1)
    client.add_permission(**where, StatementId="said", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com")
    assert [await id_of(account, type, **after) for type, after, _ in asks] == [id for _, _, id in asks]
    # Those of the alias are not those of the function.
    assert await id_of(account, "aws_lambda_permission", function_name=name, statement_id="said") is None
    assert await id_of(account, "aws_lambda_alias", function_name=name, name="live") == f"{name}/live"
    found = await asked(as_root(account), new("aws_lambda_function", function_name=name))
    assert found is not None
    assert (found.id, found.tags) == (name, TAGS)
