"""What a deployment costs beside terraform alone: a change, no change, and the adoption of what no state knows.

A system made for it, of 25 resources and of 100, in folders of its own, against a box of its own that enforces IAM, as
a deployer and not as root. In turns: `ferry deploy` of a published release, then the same by terraform alone, in a
fresh copy of the same root, with the same providers from the same place and the same inputs. Nobody builds anything.
The system has no [canary], which terraform alone has none of either: what asking one costs is what its function does.
It reports, and fails only where a deployment does. Run it with `make bench`; `python -m bench.deploys 1` for one round.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from bench.builds import Box, boxed, committed, ferry, uv, verdict
from ferry import config, model
from ferry.model import Release
from ferry.outside.terraform import mirror, words
from ferry.verbs.publish import references

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROUNDS, ADOPTIONS = 5, 3
EACH, SETS = 25, 4
MOST_OF_A_CHANGE, MOST_OF_NO_CHANGE, MOST_OF_IMPORTS, MOST_OF_A_FOURTH = 1.25, 1.3, 1 / 5, 3
REGION, ACCOUNT, DEPLOYER, STATES = "us-east-1", "111122223333", "bench-deployer", "bench-state"
OURS, THEIRS = 5, 6
"""The threshold of the alarms: what is changed to, and changed back to."""
TOLD = "spoken"

FERRY = """
project = "{name}"
region = "{region}"

[artifacts.app]
kind = "zip"
package = "{{env}}/{{name}}.zip"
lock = "app.lock"
source = ["app"]
handler = "app.handle"

[infrastructure]
root = "terraform"

[environments.preprod]
account = "{account}"
deployer = "arn:aws:iam::{account}:user/{deployer}"
state = {{ bucket = "{states}", key = "{name}.tfstate" }}
variables = "preprod.tfvars"
packages = "{name}-packages"
approval = "automatic"
"""

TERRAFORM = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
  backend "s3" {}
}

provider "aws" {
  region = "us-east-1"
  default_tags { tags = { project = var.project, environment = var.environment } }
}

variable "project" { type = string }
variable "environment" { type = string }
variable "deployers" { type = list(string) }
variable "images" { type = map(string) }
variable "packages" { type = map(map(string)) }
variable "bucket" { type = string }
variable "threshold" { type = number }
variable "sets" { type = number }

data "aws_caller_identity" "this" {}

locals {
  names = [for number in range(var.sets) : "${var.environment}-${var.project}-${number}"]
  alarms = {
    errors  = ["AWS/Lambda", "Errors", "FunctionName", "app"]
    refused = ["AWS/Lambda", "Throttles", "FunctionName", "app"]
    letters = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "dlq"]
  }
  trust = { for name in ["lambda", "events"] : name => jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "${name}.amazonaws.com" }, Action = "sts:AssumeRole" }]
  }) }
}

resource "aws_kms_key" "data" {
  count       = var.sets
  description = local.names[count.index]
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AccountRoot", Effect = "Allow", Action = "kms:*", Resource = "*"
        Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.this.account_id}:root" }
      },
      { Sid = "Deployers", Effect = "Allow", Action = "kms:*", Resource = "*", Principal = { AWS = var.deployers } },
    ]
  })
}

resource "aws_kms_alias" "data" {
  count         = var.sets
  name          = "alias/${local.names[count.index]}"
  target_key_id = aws_kms_key.data[count.index].key_id
}

resource "aws_s3_bucket" "files" {
  count  = var.sets
  bucket = "${local.names[count.index]}-files"
}

resource "aws_s3_bucket_versioning" "files" {
  count  = var.sets
  bucket = aws_s3_bucket.files[count.index].id
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_public_access_block" "files" {
  count                   = var.sets
  bucket                  = aws_s3_bucket.files[count.index].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_dynamodb_table" "items" {
  count        = var.sets
  name         = "${local.names[count.index]}-items"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  attribute {
    name = "id"
    type = "S"
  }
}

resource "aws_secretsmanager_secret" "token" {
  count      = var.sets
  name       = "${local.names[count.index]}-token"
  kms_key_id = aws_kms_key.data[count.index].arn
}

resource "aws_sns_topic" "news" {
  count = var.sets
  name  = "${local.names[count.index]}-news"
}

resource "aws_sns_topic_subscription" "news" {
  count     = var.sets
  topic_arn = aws_sns_topic.news[count.index].arn
  protocol  = "sqs"
  endpoint  = aws_sqs_queue.work[count.index].arn
}

resource "aws_sqs_queue" "letters" {
  count = var.sets
  name  = "${local.names[count.index]}-dlq"
}

resource "aws_sqs_queue" "work" {
  count          = var.sets
  name           = "${local.names[count.index]}-work"
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.letters[count.index].arn, maxReceiveCount = 3 })
}

resource "aws_sqs_queue_policy" "work" {
  count     = var.sets
  queue_url = aws_sqs_queue.work[count.index].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.work[count.index].arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_sns_topic.news[count.index].arn } }
    }]
  })
}

resource "aws_iam_role" "app" {
  count              = var.sets
  name               = "${local.names[count.index]}-app"
  assume_role_policy = local.trust["lambda"]
}

resource "aws_iam_role" "schedule" {
  count              = var.sets
  name               = "${local.names[count.index]}-schedule"
  assume_role_policy = local.trust["events"]
}

resource "aws_iam_role_policy" "app" {
  count = var.sets
  name  = "app"
  role  = aws_iam_role.app[count.index].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.app[count.index].arn}:*"
    }]
  })
}

resource "aws_iam_role_policy" "schedule" {
  count = var.sets
  name  = "schedule"
  role  = aws_iam_role.schedule[count.index].name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sqs:SendMessage", Resource = aws_sqs_queue.work[count.index].arn }]
  })
}

resource "aws_cloudwatch_log_group" "app" {
  count             = var.sets
  name              = "/aws/lambda/${local.names[count.index]}-app"
  retention_in_days = 30
}

resource "aws_cloudwatch_log_group" "audit" {
  count             = var.sets
  name              = "/${local.names[count.index]}/audit"
  retention_in_days = 30
}

resource "aws_lambda_function" "app" {
  count            = var.sets
  function_name    = "${local.names[count.index]}-app"
  role             = aws_iam_role.app[count.index].arn
  runtime          = "python3.13"
  handler          = "app.handle"
  s3_bucket        = var.bucket
  s3_key           = var.packages["app"].key
  source_code_hash = var.packages["app"].hash
  depends_on       = [aws_iam_role_policy.app]
}

resource "aws_lambda_permission" "schedule" {
  count         = var.sets
  statement_id  = "schedule"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.app[count.index].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.schedule[count.index].arn
}

resource "aws_cloudwatch_event_rule" "schedule" {
  count               = var.sets
  name                = "${local.names[count.index]}-schedule"
  schedule_expression = "rate(1 hour)"
}

resource "aws_cloudwatch_event_target" "schedule" {
  count = var.sets
  rule  = aws_cloudwatch_event_rule.schedule[count.index].name
  arn   = aws_lambda_function.app[count.index].arn
}

resource "aws_cloudwatch_metric_alarm" "app" {
  for_each            = { for it in setproduct(keys(local.alarms), local.names) : "${it[1]}-${it[0]}" => it }
  alarm_name          = each.key
  namespace           = local.alarms[each.value[0]][0]
  metric_name         = local.alarms[each.value[0]][1]
  dimensions          = { (local.alarms[each.value[0]][2]) = "${each.value[1]}-${local.alarms[each.value[0]][3]}" }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = var.threshold
  comparison_operator = "GreaterThanThreshold"
  alarm_actions       = [one([for topic in aws_sns_topic.news : topic.arn if topic.name == "${each.value[1]}-news"])]
}
"""


@dataclass(frozen=True)
class System:
    """`sets` of 25 resources each, and who deploys them."""

    folder: Path
    box: Box
    sets: int

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def state(self) -> str:
        return f"{self.name}.tfstate"

    def write(self) -> None:
        names = {"name": self.name, "region": REGION, "account": ACCOUNT, "deployer": DEPLOYER, "states": STATES}
        root = self.folder / "terraform"
        for folder in (root, self.folder / "app"):
            folder.mkdir(parents=True)
        (self.folder / "ferry.toml").write_text(FERRY.format(**names))
        (self.folder / "app.lock").touch()
        (self.folder / "app/__init__.py").write_text("def handle(event, context):\n    return event\n")
        (root / "main.tf").write_text(TERRAFORM)
        (root / "preprod.tfvars").write_text(self.variables(OURS))
        committed(self.folder)

    def variables(self, threshold: int) -> str:
        said = {"project": self.name, "bucket": f"{self.name}-packages", "threshold": threshold, "sets": self.sets}
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in said.items())

    def deploy(self) -> float:
        return ferry("deploy", "--env=preprod", f"--source={self.folder}", box=self.box).seconds

    @contextmanager
    def bare(self, threshold: int = OURS) -> Iterator[Bare]:
        """Terraform in a fresh copy of the root, told what ferry would tell it."""
        environment = config.load(self.folder / "ferry.toml").environment("preprod")
        with tempfile.TemporaryDirectory(prefix="bench-") as work:
            root = Path(work) / "terraform"
            shutil.copytree(self.folder / "terraform", root)
            told = words.inputs("preprod", environment.deployer, {}, self.packages)
            (root / words.INPUTS_FILE).write_text(told)
            (root / words.OVERRIDE_FILE).write_text(words.override())
            (root / "preprod.tfvars").write_text(self.variables(threshold))
            found, settings = mirror.find(), root / "cli.tfrc"
            settings.write_text(mirror.cli_config(found, mirror.providers(found) if found else ()))
            yield Bare(root, {**os.environ, **self.box.environment, "TF_CLI_CONFIG_FILE": str(settings)}, self.state)

    @cached_property
    def packages(self) -> Mapping[str, Mapping[str, str]]:
        said, kept = config.load(self.folder / "ferry.toml"), self.folder / ".ferry/release.json"
        release = model.from_json(Release, kept.read_text(), where=str(kept))
        return references(said, said.environment("preprod"), release).packages

    def forget(self) -> None:
        """From here on all of it is there, and no state knows it."""
        client(self.box, "s3").delete_object(Bucket=STATES, Key=self.state)

    def settled(self) -> None:
        """All of it is in the state: who was measured did what they were to do."""
        said = json.loads(client(self.box, "s3").get_object(Bucket=STATES, Key=self.state)["Body"].read())
        found = sum(len(one["instances"]) for one in said["resources"] if one["mode"] == "managed")
        if found != EACH * self.sets:
            sys.exit(f"{found} resources are in the state of {self.name}, not {EACH * self.sets}")

    def imports(self) -> dict[str, str]:
        """What each is imported by, as ferry finds it: address to id."""
        command = [str(Path(sys.executable).with_name("ferry")), "plan", "--env=preprod", "--json"]
        environment = {**os.environ, **self.box.environment}
        done = subprocess.run(
            [*command, f"--source={self.folder}"], env=environment, check=False, capture_output=True, text=True
        )
        if done.returncode != 2:
            sys.exit(done.stdout + done.stderr)
        return {one["address"]: one["imports"] for one in json.loads(done.stdout)["changes"]}


@dataclass(frozen=True, slots=True)
class Bare:
    root: Path
    environment: Mapping[str, str]
    state: str

    def __call__(self, *arguments: str) -> None:
        done = subprocess.run(
            ["terraform", *arguments], cwd=self.root, env=self.environment, check=False, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"terraform {' '.join(arguments)}: {done.stdout}{done.stderr}")

    def init(self) -> None:
        backend = words.backend(bucket=STATES, key=self.state, region=REGION, stand_in=True)
        self("init", "-input=false", *(f"-backend-config={name}={value}" for name, value in backend.items()))

    def plan(self) -> None:
        self("plan", "-input=false", "-out=saved.tfplan", "-var-file=preprod.tfvars")

    def apply(self) -> None:
        self("apply", "-input=false", "saved.tfplan")


def client(box: Box, service: str) -> Any:
    make: Any = boto3.client  # its types are one overload a service
    said = box.environment
    keys = {"aws_access_key_id": said["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": said["AWS_SECRET_ACCESS_KEY"]}
    return make(service, region_name=REGION, endpoint_url=said["AWS_ENDPOINT_URL"], **keys)


def opened(box: Box) -> Box:
    """What an admin makes once; the answer is the box as its deployer reaches it."""
    client(box, "s3").create_bucket(Bucket=STATES)
    iam = client(box, "iam")
    iam.create_user(UserName=DEPLOYER)
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName=DEPLOYER, PolicyName="deploys", PolicyDocument=json.dumps(allowed))
    made = iam.create_access_key(UserName=DEPLOYER)["AccessKey"]
    keys = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
    return replace(box, environment={**box.environment, **keys, "AWS_EC2_METADATA_DISABLED": "true"})


class Spy:
    """A terraform before the real one on PATH, which writes down what it is asked for."""

    def __init__(self, work: Path) -> None:
        real = shutil.which("terraform") or sys.exit("terraform is not on PATH")
        self._told, program = work / TOLD, work / "bin/terraform"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho "$1" >> {self._told}\nexec {real} "$@"\n')
        program.chmod(0o755)
        os.environ["PATH"] = f"{program.parent}{os.pathsep}{os.environ['PATH']}"

    def heard(self) -> str:
        """Since it was asked last."""
        said = Counter(self._told.read_text().split()) if self._told.exists() else Counter[str]()
        self._told.unlink(missing_ok=True)
        return ", ".join(f"{name} {number}" if number > 1 else name for name, number in said.items())


def compared(what: str, times: Sequence[Sequence[float]], limit: float, *names: str, asked: str) -> None:
    """The first to the second, round by round: they were side by side."""
    medians = [statistics.median(took) for took in zip(*times, strict=True)]
    told = ", ".join(f"{name} {took:.2f} s" for name, took in zip(names, medians, strict=True))
    print(f"{what}: {told} (ferry deploy: terraform {asked})")
    verdict(f"  {names[0]} to {names[1]}", statistics.median(took[0] / took[1] for took in times), limit, " x")


def unchanged(system: System, spy: Spy, rounds: int) -> None:
    times, asked = [], ""
    for _ in range(rounds):
        spy.heard()
        ours = system.deploy()
        asked = spy.heard()
        with system.bare() as terraform:
            begun = time.perf_counter()
            terraform.init()
            terraform.plan()
            times.append((ours, time.perf_counter() - begun))
    compared("nothing changed", times, MOST_OF_NO_CHANGE, "ferry deploy", "init + plan", asked=asked)


def changed(system: System, spy: Spy, rounds: int) -> None:
    """Each changes what the other has changed back."""
    times, asked = [], ""
    for _ in range(rounds):
        with system.bare(THEIRS) as terraform:
            begun = time.perf_counter()
            terraform.init()
            terraform.plan()
            terraform.apply()
            theirs = time.perf_counter() - begun
        spy.heard()
        times.append((system.deploy(), theirs))
        asked = spy.heard()
    compared("a change", times, MOST_OF_A_CHANGE, "ferry deploy", "init + plan + apply", asked=asked)


def adopted(small: System, large: System, spy: Spy, rounds: int) -> None:
    times, asked = [], ""
    for _ in range(rounds):
        took: list[float] = []
        for system in (small, large):
            system.forget()
            spy.heard()
            took.append(system.deploy())
            system.settled()
            asked = spy.heard()
        small.forget()
        imports = small.imports()
        with small.bare() as terraform:
            begun = time.perf_counter()
            terraform.init()
            for address, id in imports.items():
                terraform("import", "-input=false", "-var-file=preprod.tfvars", address, id)
            terraform("apply", "-input=false", "-auto-approve", "-var-file=preprod.tfvars")
            theirs = time.perf_counter() - begun
        small.settled()
        times.append((took[0], theirs, took[1]))
    names = f"ferry deploy of {EACH}", f"{EACH} x terraform import + apply", f"ferry deploy of {EACH * SETS}"
    compared("orphans", times, MOST_OF_IMPORTS, *names, asked=asked)
    verdict(f"  {EACH * SETS} to {EACH}", statistics.median(all / few for few, _, all in times), MOST_OF_A_FOURTH, " x")


def main(rounds: int = 0) -> int:
    os.environ["UV"] = uv()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, boxed(Path(folder)) as box:
        work, deployer = Path(folder), opened(box)
        spy = Spy(work)
        small, large = System(work / "small", deployer, 1), System(work / "large", deployer, SETS)
        for system in (small, large):
            system.write()
            took = system.deploy()
            system.settled()
            print(f"into an empty account, {EACH * system.sets} resources: {took:.1f} s (terraform {spy.heard()})")
        unchanged(small, spy, rounds or ROUNDS)
        changed(small, spy, rounds or ROUNDS)
        adopted(small, large, spy, rounds or ADOPTIONS)
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
