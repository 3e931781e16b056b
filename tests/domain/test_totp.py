"""Codes as RFC 6238 has them, one step of drift either way, and nothing but six ASCII digits."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from procedures.domain import totp
from procedures.domain.secrets import Secret

RFC = Secret(b"12345678901234567890")  # RFC 6238, appendix B


@pytest.mark.parametrize(
    ("at", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_the_rfc_s_own_codes_are_taken(at: int, code: str) -> None:
    assert totp.step_of(code, RFC, datetime.fromtimestamp(at, UTC)) == at // 30


@pytest.mark.parametrize(("late", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_one_step_of_drift_is_taken_and_no_more(late: int, taken: bool) -> None:
    step = 1111111111 // 30
    found = totp.step_of(totp.code_at(RFC, step + late), RFC, datetime.fromtimestamp(step * 30, UTC))
    assert (found == step + late) is taken


@pytest.mark.parametrize("text", ["", "28708", "2870820", " 28708", "28708a", "٢٨٧٠٨٢", "-87082", "287082\n"])
def test_other_texts_are_no_codes(text: str) -> None:
    assert totp.step_of(text, RFC, datetime.fromtimestamp(59, UTC)) is None


def test_the_link_holds_what_an_app_needs() -> None:
    secret = totp.new_secret()
    link = urlsplit(totp.uri(secret, account="mira & co", issuer="Ops Portal"))
    assert (link.scheme, link.netloc, link.path) == ("otpauth", "totp", "/Ops%20Portal%3Amira%20%26%20co")
    assert parse_qs(link.query) == {"secret": [totp.as_text(secret)], "issuer": ["Ops Portal"]}
    assert len(secret.reveal()) == 20
