"""What an update of Dependabot's changes, by the lock files; whether that is all it claims, and closes a known hole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferry.gate import locks, versions
from ferry.gate.facts import Unknown, holds, whole
from ferry.gate.locks.reading import normal
from ferry.gate.reasons import Reason, Tier
from ferry.gate.versions import Size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ferry.gate.facts import Alert, Bump, Claim, LockChange, Pull

OPEN_OR_CLOSED_BY_IT = frozenset({"OPEN", "FIXED"})


def sizes(pull: Pull, about: str, paths: Sequence[str]) -> Iterator[Reason]:
    """What every lock file says; also where people had a hand in it."""
    changed = whole(pull.locks)
    if isinstance(changed, Unknown):
        yield _unsure(about, "lock files", f"not known: {changed.why}")
        return
    read = {lock.path for lock in changed if isinstance(lock.path, str)}
    for path in paths:
        if locks.kind(path) and path not in read:
            yield _unsure(about, "lock files", f"{path} was not read at both ends")
    for lock in changed:
        yield from _of_lock(lock, about)


def _of_lock(lock: LockChange, about: str) -> Iterator[Reason]:
    name = lock.path if isinstance(lock.path, str) else "a lock file"
    odd, bumps = whole(lock.odd), whole(lock.bumps)
    if isinstance(odd, Unknown):
        yield _unsure(about, name, f"not known: {odd.why}")
    else:
        yield from (_unsure(about, name, said) for said in odd)
    if isinstance(bumps, Unknown):
        yield _unsure(about, name, f"not known: {bumps.why}")
    else:
        yield from (_of_bump(bump, about, name) for bump in bumps)


def _of_bump(bump: Bump, about: str, file: str) -> Reason:
    size, why = _size(bump)
    said = f"{_told(bump)}: {size}" + (f", {why}" if why else "")
    return Reason(tier=Tier.T1 if size in (Size.PATCH, Size.MINOR) else Tier.T3, about=about, fact=file, why=said)


def _size(bump: Bump) -> tuple[Size, str]:
    for fact in (bump.name, bump.old, bump.new):
        if isinstance(fact, Unknown):
            return Size.UNSURE, f"not known: {fact.why}"
    if isinstance(bump.old, Unknown) or isinstance(bump.new, Unknown):
        return Size.UNSURE, "not known"
    return versions.size(bump.old, bump.new)


def claimed(pull: Pull, about: str) -> Iterator[Reason]:
    """Dependabot's commit names what it updates: all of that is there, and nothing else but what comes with it."""
    claims, bumps = whole(pull.claims), _bumps(pull)
    if isinstance(claims, Unknown) or isinstance(bumps, Unknown):
        why = claims.why if isinstance(claims, Unknown) else "what the lock files change"
        yield _unsure(about, "claims", f"not known: {why}")
        return
    if not bumps:
        yield _unsure(about, "claims", "no lock file says which version comes after which")
    for claim in claims:
        yield from _of_claim(claim, bumps, about)
    for _, bump in bumps:
        if not _is_claimed(bump, claims):
            yield _unsure(about, "claims", f"{_told(bump)} is not of what it says that it updates")


def _of_claim(claim: Claim, bumps: Sequence[tuple[LockChange, Bump]], about: str) -> Iterator[Reason]:
    found = [bump for _, bump in bumps if _names(claim, bump)]
    name = claim.name if isinstance(claim.name, str) else "a package"
    if not found:
        yield _unsure(about, "claims", f"{name} is named, and no lock file changes it")
    elif isinstance(claim.version, Unknown):
        yield _unsure(about, "claims", f"the version of {name} is not known: {claim.version.why}")
    else:
        yield from (
            _unsure(about, "claims", f"{name} is named with {claim.version}, and the lock file says {_told(bump)}")
            for bump in found
            if bump.new != claim.version
        )


def _is_claimed(bump: Bump, claims: Sequence[Claim]) -> bool:
    if any(_names(claim, bump) for claim in claims):
        return True
    named = {normal(claim.name) for claim in claims if isinstance(claim.name, str)}
    return holds(bump.brought_by, lambda parents: bool(named & {normal(parent) for parent in parents}))


def _names(claim: Claim, bump: Bump) -> bool:
    """Terraform's lock says the registry too."""
    if isinstance(claim.name, Unknown) or isinstance(bump.name, Unknown):
        return False
    return normal(bump.name) == normal(claim.name) or normal(bump.name).endswith("/" + normal(claim.name))


def security(pull: Pull) -> str:
    """Why this is not proven to be a security update through and through; nothing where it is."""
    alerts, bumps = whole(pull.alerts), _bumps(pull)
    if isinstance(alerts, Unknown):
        return f"alerts are not known: {alerts.why}"
    if isinstance(bumps, Unknown) or not bumps:
        return "what it updates is not known"
    open_ones = (_told(bump) for lock, bump in bumps if not _closes(lock, bump, alerts))
    return next((f"no alert of this pull request is closed by {told}" for told in open_ones), "")


def _closes(lock: LockChange, bump: Bump, alerts: Sequence[Alert]) -> bool:
    """Every alert that is linked to it for this package in this file, and one at least."""
    own = [alert for alert in alerts if _is_about(alert, lock, bump)]
    return bool(own) and all(_is_closed(alert, bump) for alert in own)


def _is_about(alert: Alert, lock: LockChange, bump: Bump) -> bool:
    """What cannot be read might be about it, and then closes nothing."""
    if (
        isinstance(alert.package, Unknown)
        or isinstance(alert.ecosystem, Unknown)
        or isinstance(alert.manifest, Unknown)
    ):
        return True
    if isinstance(bump.name, Unknown) or isinstance(lock.path, Unknown):
        return True
    place = alert.ecosystem == lock.ecosystem and locks.covers(alert.manifest, lock.path)
    return place and normal(alert.package) == normal(bump.name)


def _is_closed(alert: Alert, bump: Bump) -> bool:
    facts = (alert.package, alert.ecosystem, alert.manifest, alert.state, bump.name)
    if any(isinstance(fact, Unknown) for fact in facts) or alert.state not in OPEN_OR_CLOSED_BY_IT:
        return False
    if isinstance(alert.vulnerable, Unknown) or isinstance(alert.patched, Unknown):
        return False
    if isinstance(bump.old, Unknown) or isinstance(bump.new, Unknown):
        return False
    was, now = (versions.inside(version, alert.vulnerable) for version in (bump.old, bump.new))
    return was is True and now is False and versions.at_least(bump.new, alert.patched)


def _bumps(pull: Pull) -> list[tuple[LockChange, Bump]] | Unknown:
    changed = whole(pull.locks)
    if isinstance(changed, Unknown):
        return changed
    found = []
    for lock in changed:
        bumps = whole(lock.bumps)
        if isinstance(bumps, Unknown):
            return bumps
        found += [(lock, bump) for bump in bumps]
    return found


def _told(bump: Bump) -> str:
    name, old, new = ("?" if isinstance(fact, Unknown) else fact for fact in (bump.name, bump.old, bump.new))
    return f"{name} {old} → {new}"


def _unsure(about: str, fact: str, why: str) -> Reason:
    return Reason(tier=Tier.T3, about=about, fact=fact, why=why)
