"""When a schedule fires: by the clock on the wall, with its gaps and hours that come twice."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice, pairwise

import pytest

from procedures.domain import planned
from procedures.domain.deliveries import Delivery, parameters_of, read, sign, signer
from procedures.domain.errors import InvalidInput

pytestmark = pytest.mark.once


def wall(cron: str, zone: str, after: datetime, count: int) -> list[str]:
    """The next moments as the wall shows them, with their distance from UTC."""
    there = planned.zone_of(zone)
    found = islice(planned.times({"cron": cron, "zone": zone}, after), count)
    return [f"{one.astimezone(there):%m-%d %H:%M %z}" for one in found]


def test_a_moment_that_the_change_of_clocks_leaves_out_comes_right_after_the_gap() -> None:
    before = datetime(2026, 3, 28, 12, tzinfo=UTC)
    found = wall("30 2 * * *", "Europe/Berlin", before, 2)
    assert found == ["03-29 03:00 +0200", "03-30 02:30 +0200"]
    assert wall("30 * * * *", "Europe/Berlin", datetime(2026, 3, 29, 0, 45, tzinfo=UTC), 2) == [
        "03-29 03:30 +0200",
        "03-29 04:30 +0200",
    ]


def test_an_hour_that_comes_twice_runs_a_fixed_hour_once_and_every_hour_twice() -> None:
    before = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert wall("30 2 * * *", "Europe/Berlin", before, 2) == ["10-25 02:30 +0200", "10-26 02:30 +0100"]
    hourly = wall("30 * * * *", "Europe/Berlin", datetime(2026, 10, 24, 23, 45, tzinfo=UTC), 3)
    assert hourly == ["10-25 02:30 +0200", "10-25 02:30 +0100", "10-25 03:30 +0100"]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"])
@pytest.mark.parametrize("cron", ["*/30 * * * *", "30 2 * * *", "15 1-3 * * *", "0 0 L * *", "0 9 * * mon-fri"])
def test_moments_rise_and_each_is_found_again_from_the_moment_before(zone: str, cron: str) -> None:
    when = {"cron": cron, "zone": zone}
    for start in (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 10, 20, tzinfo=UTC)):
        found = list(islice(planned.times(when, start), 120))
        assert all(earlier < later for earlier, later in pairwise(found))
        assert all(planned.is_planned(when, one) for one in found)
    assert not planned.is_planned(when, found[0].replace(second=30))


@pytest.mark.parametrize("wrong", ["", "* * * *", "60 * * * *", "* * * * * *", "@daily", "0 0 30 2 *", "x * * * *"])
def test_what_is_no_cron_expression_is_refused(wrong: str) -> None:
    assert planned.problem(wrong)


def test_once_is_once_and_what_follows_a_run_plans_nothing() -> None:
    when = {"at": "2026-05-01T08:00:00.000000Z"}
    at = datetime(2026, 5, 1, 8, tzinfo=UTC)
    assert planned.next_time(when, datetime(2026, 4, 1, tzinfo=UTC)) == at
    assert planned.next_time(when, at) is None
    assert planned.next_time({"after": "hello", "outcomes": ["failed"]}, at) is None


def test_headers_that_are_no_delivery_are_none() -> None:
    at, body = datetime(2026, 5, 1, tzinfo=UTC), b"{}"
    for headers in (
        {},
        {"webhook-id": "a b", "webhook-timestamp": "1"},
        {"webhook-id": "a", "webhook-timestamp": "1.5"},
        {"webhook-id": "a", "webhook-timestamp": "-1"},
        {"webhook-id": "a" * 201, "webhook-timestamp": "1"},
        {"webhook-id": "é", "webhook-timestamp": "1"},
        {"webhook-id": "a", "webhook-timestamp": "9" * 12},
    ):
        assert read("ed25519", headers, body) is None
    assert signer(Delivery("a", at, ["", "v1a,", "v1a,AAAA", "v2,x", "v1a,!"], body), ["whpk_" + "A" * 43 + "="]) == ""


def test_a_signature_of_the_library_of_standard_webhooks_is_taken_and_ours_by_it() -> None:
    """The real counterpart signs and verifies what is ours."""
    from datetime import timedelta

    from standardwebhooks.webhooks import Webhook

    from procedures.domain.clock import now
    from procedures.domain.deliveries import is_signed

    secret, body, at = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", '{"test": 2432232314}', now()
    theirs = Webhook(secret)
    stamp = datetime(at.year, at.month, at.day, at.hour, at.minute, at.second)  # noqa: DTZ001 - it reads it as UTC
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(stamp.replace(tzinfo=UTC).timestamp()))}
    headers["webhook-signature"] = theirs.sign("msg_1", stamp, body)
    delivery = read("hmac", headers, body.encode())
    assert delivery is not None
    assert is_signed(delivery, "hmac", secret)
    assert not is_signed(delivery, "hmac", "whsec_" + "A" * 32)
    assert theirs.verify(body, sign(secret, "msg_2", at, body.encode())) == {"test": 2432232314}
    assert abs(at - (delivery.sent_at or at)) < timedelta(seconds=2)


def test_a_mapping_takes_what_it_names_and_nothing_else() -> None:
    body = b'{"a": {"b/c": [1, {"~": "deep"}]}, "environment": "production", "procedure": "evil", "n": null}'
    mapping = {"x": {"pointer": "/a/b~1c/1/~0"}, "y": {"value": "/a"}, "z": {"pointer": "/nowhere"}}
    mapping["n"] = {"pointer": "/n"}
    assert parameters_of(mapping, body) == {"x": "deep", "y": "/a", "n": None}
    for wrong in (b"", b"[]", b"1", b'{"a": NaN}', b"\xff", b"[" * 100_000):
        with pytest.raises(InvalidInput, match="no JSON object"):
            parameters_of(mapping, wrong)
