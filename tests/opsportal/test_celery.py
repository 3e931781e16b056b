"""Messages: JSON, ids, one queue per environment; a web request never waits for a broker that is down."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from celery import Celery
from django.conf import settings
from kombu.exceptions import OperationalError

from opsportal.celery import Sender, app, queue_of, worker_transport_options
from tests.fixtures.valkey import Broker

WORKER = """
import sys, threading, django
django.setup()
from opsportal.celery import app
from pathlib import Path
from django.db.backends.signals import connection_created
opened = []
connection_created.connect(lambda **_: opened.append(1), weak=False)
@app.task(name="tests.seen")
def seen(run_id):
    from django.db import connection
    connection.ensure_connection()
    timeout = app.conf.broker_transport_options["socket_timeout"]
    with Path(sys.argv[2]).open("a") as file:
        file.write(f"{run_id} {len(opened)} {timeout}\\n")
app.conf.broker_url = sys.argv[1]
app.worker_main(["worker", "-P", "threads", "-c", "1", "-Q", "environment.test", "--without-gossip",
                 "--without-mingle", "--without-heartbeat", "-l", "WARNING"])
"""

PATIENCE_S = 3.0  # a sender that tries again, or waits like a worker, takes ten


def sender(url: str) -> Celery:
    """An application of its own, so that no pooled connection of another test is used."""
    fresh = Sender("sender", set_as_current=False)
    fresh.config_from_object("django.conf:settings", namespace="CELERY")
    fresh.conf.broker_url = url
    return fresh


def seconds_to_fail(url: str) -> float:
    began = time.monotonic()
    with pytest.raises((OperationalError, OSError)):
        sender(url).send_task("tests.seen", ["0"], queue=queue_of("test"))
    return time.monotonic() - began


def test_publish_gives_up_at_once_when_no_broker_listens(tmp_path: Path) -> None:
    assert seconds_to_fail(f"redis+socket://{tmp_path}/nobody") < PATIENCE_S


def test_publish_gives_up_when_the_broker_hangs(valkey: Broker) -> None:
    valkey.process.send_signal(signal.SIGSTOP)
    assert seconds_to_fail(valkey.url) < PATIENCE_S
    valkey.process.send_signal(signal.SIGCONT)


def test_connection_that_was_good_and_hangs_now_costs_no_more(valkey: Broker) -> None:
    client = sender(valkey.url)
    client.send_task("tests.seen", ["1"], queue=queue_of("test"))
    valkey.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises((OperationalError, OSError)):
        client.send_task("tests.seen", ["2"], queue=queue_of("test"))
    assert time.monotonic() - began < PATIENCE_S
    valkey.process.send_signal(signal.SIGCONT)


def test_worker_keeps_its_database_connection_from_task_to_task(valkey: Broker, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    environ = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/worker.sqlite3"}
    worker = subprocess.Popen([sys.executable, "-c", WORKER, valkey.url, str(seen)], env=environ)
    try:
        for number in range(3):
            sender(valkey.url).send_task("tests.seen", [str(number)], queue=queue_of("test"))
        until = time.monotonic() + 20
        while (not seen.exists() or len(seen.read_text().splitlines()) < 3) and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        worker.terminate()
        worker.wait(20)
    rows = [line.split() for line in seen.read_text().splitlines()]
    assert rows == [["0", "1", "10.0"], ["1", "1", "10.0"], ["2", "1", "10.0"]]


def test_no_pickle_no_results_no_remote_control() -> None:
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_acks_late
    assert app.conf.worker_prefetch_multiplier == 1
    assert not app.conf.worker_enable_remote_control
    assert not app.conf.worker_send_task_events
    assert app.conf.result_backend is None
    assert settings.OPSPORTAL_DISPATCH.startswith("procedures.runner.")


def test_worker_may_wait_longer_for_its_broker_than_a_web_request() -> None:
    assert worker_transport_options()["socket_timeout"] > settings.CELERY_BROKER_TRANSPORT_OPTIONS["socket_timeout"]
