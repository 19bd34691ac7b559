"""What AWS always does and the emulator does not, by service and operation. They stand behind the authoriser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awsbox import registry
from awsbox.rules import buckets, documents, images, keys, layers, repositories, retries, secrets, upkeep, versions

if TYPE_CHECKING:
    from awsbox.behind import Rules

RULES: Rules = {
    **buckets.RULES,
    **documents.RULES,
    **images.RULES,
    **keys.RULES,
    **layers.RULES,
    **registry.RULES,
    **repositories.RULES,
    **retries.RULES,
    **secrets.RULES,
    **upkeep.RULES,
    **versions.RULES,
}
