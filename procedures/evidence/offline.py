"""The verifier as one offline page, for an auditor without Python; `manage.py verifier-page` builds it."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).with_name("verify.html")
