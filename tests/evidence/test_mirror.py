"""A mirror of the log with Object Lock: what lies there, what cannot go, and what is told when it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from wsgiref.simple_server import make_server

import pytest
from django.db import transaction

from procedures.domain.clock import now
from procedures.evidence import tiles
from procedures.evidence.check import kept_outside, outside
from procedures.evidence.mirrored import Mirrored, mirrored, tell
from procedures.evidence.mirroring import MirrorFailed, Mirroring, mirroring
from procedures.evidence.models import Checkpoint
from procedures.evidence.record import record
from procedures.services.witness_alarms import alarm
from tests.credentials.clouds import Quiet
from tests.evidence.conftest import Log

ORIGIN = "test/log"
Made = tuple[Mirroring, Any]


@pytest.fixture(scope="module")
def store() -> Iterator[Callable[[str], Any]]:
    """An S3 that a test has for itself, over HTTP; each call makes a bucket with Object Lock."""
    import boto3
    from moto.backends import get_backend
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    get_backend("s3").reset()
    with make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), handler_class=Quiet) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"

        def made(name: str, *, locks: bool = True) -> Any:
            client = boto3.client(
                "s3", region_name="us-east-1", endpoint_url=url, aws_access_key_id="x", aws_secret_access_key="y"
            )
            client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=locks)
            return client

        yield made
        server.shutdown()


@pytest.fixture
def mirror(store: Callable[[str], Any], log: Log, tmp_path: Any, settings: Any, request: Any, monkeypatch: Any) -> Made:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    name = f"mirror-{abs(hash(request.node.name)):x}"
    client = store(name)
    settings.OPSPORTAL_PUBLIC_DIR = tmp_path
    settings.OPSPORTAL_MIRROR_BUCKET, settings.OPSPORTAL_MIRROR_ENDPOINT = name, client.meta.endpoint_url
    (tmp_path / "evidence.pub").write_text(log.key)
    log.sequence()
    made = mirroring()
    assert made is not None
    return made, client


def grow(log: Log, count: int = 1) -> None:
    for _ in range(count):
        with transaction.atomic():
            record("heartbeat", actor=None, at=now(), facts={})
    log.sequence()


def keys(made: Made) -> set[str]:
    found = made[1].list_objects_v2(Bucket=made[0].bucket.name).get("Contents", [])
    return {row["Key"] for row in found}


def size() -> int:
    return int(Checkpoint.objects.order_by("-size").values_list("size", flat=True)[0])


def kinds() -> list[str]:
    return [one.kind for one in outside(kept_outside())]


def test_all_of_the_log_lies_there_locked_and_nobody_deletes_it(mirror: Made, log: Log) -> None:
    made, client = mirror
    grow(log, 300)
    state = made.once(now())
    assert (state.size, state.problem, state.origin) == (size(), "", ORIGIN)  # type: ignore[union-attr]
    wanted = {f"{ORIGIN}/{place.path}" for place in tiles.places(size())}
    assert keys(mirror) == wanted | {f"{ORIGIN}/checkpoint/{size():015d}"}
    for key in keys(mirror):
        kept = client.head_object(Bucket=made.bucket.name, Key=key)
        assert kept["ObjectLockMode"] == "COMPLIANCE"
        assert kept["ObjectLockRetainUntilDate"] > datetime.now(UTC) + timedelta(days=364)
        with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
            client.delete_object(Bucket=made.bucket.name, Key=key, VersionId=kept["VersionId"])
    assert kinds() == []


def test_only_what_is_new_is_copied_and_an_outage_is_told_and_made_up_for(mirror: Made, log: Log) -> None:
    made, _ = mirror
    made.once(now())
    had = keys(mirror)
    grow(log, 600)
    made.bucket.client.meta.events.register("before-send.s3", _down)
    state = made.once(now())
    assert (state.size < size(), "does not answer" in state.problem) == (True, True)  # type: ignore[union-attr]
    assert kinds() == ["mirror.behind"]
    assert [alarm(at=now() + timedelta(minutes=late)) for late in (14, 16, 17)] == [0, 1, 0]
    made.bucket.client.meta.events.unregister("before-send.s3", _down)
    assert made.once(now()).problem == ""  # type: ignore[union-attr]
    assert had < keys(mirror)
    assert {f"{ORIGIN}/{place.path}" for place in tiles.places(size())} <= keys(mirror)
    assert (kinds(), alarm(at=now() + timedelta(minutes=16))) == ([], 0)


def _down(**_: Any) -> None:
    from botocore.exceptions import EndpointConnectionError

    raise EndpointConnectionError(endpoint_url="http://mirror")


def test_a_bucket_that_only_takes_the_words_is_no_mirror(
    store: Callable[..., Any], mirror: Made, settings: Any, log: Log
) -> None:
    store("plain", locks=False)
    settings.OPSPORTAL_MIRROR_BUCKET = "plain"
    state = mirroring().once(now())  # type: ignore[union-attr]
    assert (state.size, "refuses" in state.problem or "does not lock" in state.problem) == (0, True)  # type: ignore[union-attr]
    settings.OPSPORTAL_MIRROR_BUCKET = "nowhere"
    assert "NoSuchBucket" in mirroring().once(now()).problem  # type: ignore[union-attr]


def test_one_that_forgets_the_lock_is_found_by_reading_back(mirror: Made) -> None:
    made, _ = mirror

    def unlocked(params: dict[str, Any], **_: Any) -> None:
        for name in ("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"):
            params["headers"].pop(name, None)

    made.bucket.client.meta.events.register("before-call.s3.PutObject", unlocked)
    assert "does not lock what it is given" in made.once(now()).problem  # type: ignore[union-attr]


def test_a_log_that_was_written_anew_is_told_by_the_mirror(mirror: Made, log: Log) -> None:
    """The mirror holds a tile of the history before; it is neither written over nor believed away."""
    made, client = mirror
    grow(log, 300)
    key = f"{ORIGIN}/tile/0/000"
    client.put_object(Bucket=made.bucket.name, Key=key, Body=b"x" * 8192)
    state = made.once(now())
    assert (state.differs, key in state.problem) == (True, True)  # type: ignore[union-attr]
    assert client.get_object(Bucket=made.bucket.name, Key=key)["Body"].read() == b"x" * 8192
    assert kinds() == ["mirror.differs"]


def test_a_database_that_went_back_is_found_by_what_is_mirrored(mirror: Made, settings: Any) -> None:
    mirror[0].once(now())
    tell(Mirrored(ORIGIN, size() + 7, "00" * 32, now().isoformat()))
    assert kinds() == ["checkpoint.behind"]
    settings.OPSPORTAL_MIRROR_BUCKET = ""
    assert mirroring() is None
    assert mirrored() is None


def test_settings_that_cannot_be_are_named(settings: Any) -> None:
    settings.OPSPORTAL_MIRROR_BUCKET, settings.OPSPORTAL_MIRROR_ENDPOINT = "x", "ftp://x"
    with pytest.raises(MirrorFailed, match=r"http\(s\)://host is needed"):
        mirroring()
