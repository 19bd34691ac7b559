"""Nothing secret leaves the program: text is masked once, here, before any reader sees it."""

from __future__ import annotations

import base64
import json
import re
import string
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator

BLANK: Final = "***"
# Three characters would blank half of every page; and a blank must be shorter than whatever it stands for.
_SHORTEST: Final = 4
_BASE64: Final = frozenset(string.ascii_letters + string.digits + "+/-_")

# Colours and other terminal commands, control characters, half surrogates, and what turns the reading direction round.
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]"
)
_IS = r"""\\?["']?\s*[:=]\s*b?\\?["']?"""  # what stands between a name and its value: header, JSON, repr, shell
_IS_OR_PAIR = _IS.replace(":=", ":=,")

# Each pattern holds one group, the part to blank, and is tried only where one of its needles is in the lowered text.
_PATTERNS: Final = tuple(
    (tuple(needles.split()), re.compile(pattern))
    for needles, pattern in (
        ("akia asia abia acca", r"((?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16,})"),
        ("secret", rf"(?i)secret_?-?(?:access_?-?)?key{_IS}([A-Za-z0-9/+=]{{16,}})"),
        ("token", rf"(?i)(?:session|security)_?-?token{_IS}([A-Za-z0-9/+=%]{{16,}})"),
        ("signature", r"(?i)signature=([0-9A-Fa-f]{16,})"),
        ("fwogzxivyxdz fqogzxivyxdz iqojb3jpz2lu", r"((?:F[wQ]oGZXIvYXdz|IQoJb3JpZ2lu)[A-Za-z0-9/+=%_-]{16,})"),
        ("authorization", rf"(?i)authorization{_IS_OR_PAIR}(?:bearer|basic|token|aws4-[\w-]+)\s+([^\"'\r\n\\]{{4,}})"),
        ("authorization", rf"(?i)authorization{_IS}(?!aws4-)([^\s\"'\\]{{8,}})"),
        ("bearer basic", r"(?i)\b(?:bearer|basic)\s+([\w.~+/-]{16,}=*)"),
        ("ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"((?:gh[pousr]|github_pat)_\w{20,})"),
        ("eyj", r"(?<![\w-])([\w-]{10,}+\.eyJ[\w-]{8,}+\.[\w-]*)"),
        ("://", r"://[^\s/:@]*:([^\s/@]{4,})@"),
        ("private key-----", r"(-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))"),
    )
)
# An AWS secret key has no prefix: 40 characters of base64, standing alone, of every kind (a commit id has no capitals).
_LONE_KEY = re.compile(
    r"(?<![A-Za-z0-9/+])(?=[a-z0-9/+]*[A-Z])(?=[A-Z0-9/+]*[a-z])(?=[A-Za-z/+]*[0-9])([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"
)


class Mask:
    """Knows the secrets of this run and what secrets look like."""

    def __init__(self) -> None:
        self._plain: frozenset[str] = frozenset()
        self._base64: frozenset[str] = frozenset()

    def register(self, secret: str) -> None:
        """From now on no form of `secret` gets out. Fewer than four characters are not a secret anyone could hide."""
        for part in {secret, *secret.splitlines()}:
            if len(value := part.strip()) >= _SHORTEST:
                self._plain |= {form for form in _written(value) | _written(part) if len(form) >= _SHORTEST}
                self._base64 |= _encoded(value) | _encoded(part)

    def mask(self, text: str) -> str:
        """Blank every secret. A blank may complete another one, hence the loop; each round makes the text shorter."""
        while True:
            blanked = _blank(text, sorted(self._secrets(text)))
            if blanked == text:
                return text
            text = blanked

    def masked[T](self, value: T) -> T:
        """The same value with every text in it, however deep, masked and free of control characters."""
        return cast("T", self._masked(value))

    def _masked(self, value: Any) -> Any:
        if isinstance(value, Enum):
            return value
        if isinstance(value, str):
            return self._clean(value)
        if isinstance(value, tuple):
            return tuple(self._masked(part) for part in value)
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{field.name: self._masked(getattr(value, field.name)) for field in fields(value)})
        return value

    def _clean(self, text: str) -> str:
        masked = self.mask(text)
        plain = _CONTROL.sub("", masked.replace("\r\n", "\n").replace("\r", "\n"))
        return masked if plain == masked else self.mask(plain)  # colours may have hidden a secret between them

    def _secrets(self, text: str) -> Iterator[tuple[int, int]]:
        for form in self._plain:
            if form in text:
                yield from _places(text, form)
        for form in self._base64:
            if form in text:
                yield from (_with_edges(text, *place) for place in _places(text, form))
        lower = text.lower()
        for needles, pattern in _PATTERNS:
            if any(needle in lower for needle in needles):
                yield from (match.span(1) for match in pattern.finditer(text))
        if len(text) >= 40:
            yield from (match.span(1) for match in _LONE_KEY.finditer(text))


def _written(secret: str) -> frozenset[str]:
    """The secret as itself, in JSON (also within JSON, and as Go writes it), in a URL, and in a Python message."""
    jsons = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    jsons |= {json.dumps(form)[1:-1] for form in jsons}
    jsons |= {form.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e") for form in jsons}
    raw = secret.encode(errors="surrogatepass")
    urls = {quote(raw, safe=safe) for safe in ("", "/", "!'()*", "/:")} | {quote_plus(raw)}
    urls |= {re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), url) for url in urls}
    return frozenset({secret, repr(secret)[1:-1]} | jsons | urls)


def _encoded(secret: str) -> frozenset[str]:
    """What base64 of any text around the secret must contain: three alignments, less the characters at the edges."""
    raw = secret.encode(errors="surrogatepass")
    cores = set()
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + raw).decode()
        cores.add(whole[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6])
    return frozenset(cores | {core.replace("+", "-").replace("/", "_") for core in cores})


def _places(text: str, form: str) -> Iterator[tuple[int, int]]:
    """Every place, overlapping ones too."""
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


def _with_edges(text: str, start: int, end: int) -> tuple[int, int]:
    """The base64 characters on either side share bits with the secret."""
    return start - (text[max(0, start - 1) : start] in _BASE64), end + (text[end : end + 1] in _BASE64)


def _blank(text: str, spans: list[tuple[int, int]]) -> str:
    """Blank spans that may overlap or touch: they become one, so that no end of one stands free."""
    parts: list[str] = []
    done = 0
    for start, end in spans:
        if start > done or not parts:
            parts += [text[done:start], BLANK]
        done = max(done, end)
    return "".join([*parts, text[done:]])
