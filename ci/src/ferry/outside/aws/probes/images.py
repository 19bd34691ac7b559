"""ECR: a repository, and the two documents that belong to one."""

from __future__ import annotations

from ferry.outside.aws.probes.questions import Found, Question, alone, part, tagged

NO_REPOSITORY = "RepositoryNotFoundException"


def repository(asked: Question) -> Found | None:
    said = asked.ask("ecr", "describe_repositories", (NO_REPOSITORY,), repositoryNames=[asked["name"]])
    if said is None:
        return None
    arn = said["repositories"][0]["repositoryArn"]
    tags = asked.ask("ecr", "list_tags_for_resource", resourceArn=arn)["tags"]
    return Found(id=asked["name"], arn=arn, tags=tagged(tags))


def lifecycle_policy(asked: Question) -> Found | None:
    missing = (NO_REPOSITORY, "LifecyclePolicyNotFoundException")
    said = asked.ask("ecr", "get_lifecycle_policy", missing, repositoryName=asked["repository"])
    return Found(id=asked["repository"]) if said else None


def repository_policy(asked: Question) -> Found | None:
    missing = (NO_REPOSITORY, "RepositoryPolicyNotFoundException")
    said = asked.ask("ecr", "get_repository_policy", missing, repositoryName=asked["repository"])
    return Found(id=asked["repository"]) if said else None


READERS = {
    "aws_ecr_repository": alone("name", repository),
    "aws_ecr_lifecycle_policy": part("aws_ecr_repository", "repository", lifecycle_policy),
    "aws_ecr_repository_policy": part("aws_ecr_repository", "repository", repository_policy),
}
