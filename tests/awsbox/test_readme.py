"""The box's README lists every call that the box knows. `python tests/awsbox/test_readme.py` writes the list."""

import re
import textwrap
from pathlib import Path

from awsbox.authority.tables import SERVICES

README = Path(__file__).parents[2] / "ci/src/awsbox/README.md"
LIST = re.compile(r"(?<=<!-- made by: python tests/awsbox/test_readme.py -->\n).*(?=<!-- /made -->)", re.DOTALL)


def calls() -> str:
    lines = []
    for service in sorted(SERVICES.values(), key=lambda service: service.prefix):
        said = f"- **{service.prefix}**: {' '.join(sorted(service.operations))}"
        lines += textwrap.wrap(said, 118, subsequent_indent="  ")
    return "\n".join(lines) + "\n"


def test_every_call_is_listed() -> None:
    found = LIST.search(README.read_text())

    assert found is not None
    assert found[0] == calls()


if __name__ == "__main__":
    README.write_text(LIST.sub(lambda _: calls(), README.read_text()))
