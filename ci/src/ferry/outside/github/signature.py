"""Which key a signature names. Whether it is valid GitHub says; whose key may have made it the gate knows.

Only what the format (RFC 9580, signature packets of version 4) needs for that is read here.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ARMOR = re.compile(
    r"-----BEGIN PGP SIGNATURE-----\s*\n(?:[A-Za-z]+: [^\n]*\n)*\s*"
    r"(?P<body>[A-Za-z0-9+/=\s]+?)(?:\n=[A-Za-z0-9+/]{4})?\s*-----END"
)
SIGNATURE = 2
ISSUER, FINGERPRINT = 16, 33


def issuer(armored: object) -> str:
    """The last 16 hex digits of the key; nothing where it cannot be read, or names several."""
    found = ARMOR.search(armored) if isinstance(armored, str) else None
    if found is None:
        return ""
    try:
        packet = base64.b64decode("".join(found["body"].split()), validate=True)
        keys = {data[-8:] for kind, data in _subpackets(_body(packet)) if kind in (ISSUER, FINGERPRINT)}
    except (binascii.Error, IndexError, ValueError):
        return ""
    return keys.pop().hex().upper() if len(keys) == 1 else ""


def _body(packet: bytes) -> bytes:
    head = packet[0]
    if head & 0x40:
        kind, (size, at) = head & 0x3F, _length(packet, 1)
    else:
        kind, width = head >> 2 & 0x0F, 1 << (head & 3)
        size, at = int.from_bytes(packet[1 : 1 + width]), 1 + width
    if kind != SIGNATURE or packet[at] != 4 or len(packet) != at + size:
        raise ValueError("not one signature of version 4")
    return packet[at : at + size]


def _subpackets(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 4
    for _ in ("hashed", "not hashed"):
        size = int.from_bytes(body[at : at + 2])
        area, at = body[at + 2 : at + 2 + size], at + 2 + size
        place = 0
        while place < len(area):
            length, place = _length(area, place)
            yield area[place] & 0x7F, area[place + 1 : place + length]
            place += length


def _length(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first < 192:
        return first, at + 1
    if first < 255:
        return ((first - 192) << 8) + data[at + 1] + 192, at + 2
    return int.from_bytes(data[at + 1 : at + 5]), at + 5
