"""Serve on PORT, which is where Lambda's web adapter looks for the application."""

import os

import uvicorn

from sse_streaming.app import app

uvicorn.run(app, host=os.environ.get("HOST", "0.0.0.0"), port=int(os.environ.get("PORT", "8080")), log_level="warning")  # noqa: S104 - inside a function's sandbox
