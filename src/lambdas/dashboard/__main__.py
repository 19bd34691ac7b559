"""For developers: `python -m dashboard` serves the dashboard at http://localhost:8000 (PORT, HOST)."""

from __future__ import annotations

import os
import sys

from dashboard.handler import SERVICE, dashboard
from dashboard.settings import Settings
from sentiment import observe
from sentiment.errors import SettingsError
from sentiment.settings import Reader


def main() -> str | None:
    try:
        import uvicorn  # noqa: PLC0415 - the function does without it
    except ModuleNotFoundError:
        return "uvicorn is not installed: `pip install uvicorn`, or `uv sync` in the repository"
    try:
        settings = Settings.read(os.environ)
        reader = Reader(os.environ)
        host, port = reader.text("HOST", "127.0.0.1"), reader.whole("PORT", 8000, most=65535)
        app = dashboard(settings, observe.telemetry(SERVICE, settings.environment)).app()
    except SettingsError as error:
        return str(error)
    uvicorn.run(app, host=host, port=port, log_level="warning")
    return None


if __name__ == "__main__":
    sys.exit(main())
