"""A real RabbitMQ: the same worker and the same promises as with Valkey. Run by `test --all`, which installs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from opsportal.settings import brokers
from tests.fixtures.rabbitmq import Rabbit, rabbit
from tests.opsportal.test_brokers import HANDBOOK, LINK, QUEUE, wait_for
from tests.opsportal.test_celery import WORKER, seconds_to_fail, sender

__all__ = ["rabbit"]
pytestmark = [pytest.mark.figures, pytest.mark.once, pytest.mark.timeout(300)]


@contextmanager
def working(url: str, folder: Path) -> Iterator[Path]:
    """A worker of ours at this broker; gives the file in which it notes what it was told."""
    seen = folder / "seen"
    environ = {**os.environ, "DATABASE_URL": f"sqlite:///{folder}/worker.sqlite3", "OPSPORTAL_BROKER_URL": url}
    program = WORKER.replace('["socket_timeout"]', '["connect_timeout"]')
    worker = subprocess.Popen([sys.executable, "-c", program, url, str(seen)], env=environ)
    try:
        yield seen
    finally:
        worker.terminate()
        worker.wait(30)


def told(seen: Path) -> list[str]:
    return [line.split()[0] for line in seen.read_text().splitlines()] if seen.exists() else []


def sending(url: str) -> Celery:
    client = sender(url)
    client.conf.broker_transport_options = brokers.sending(url)
    return client


def permitted(rabbit: Rabbit, pool: str) -> str:
    """The user of a pool, with the permissions that the handbook gives."""
    found = re.search(r"set_permissions runner-staging ('.+')$", HANDBOOK.read_text(), re.MULTILINE)
    assert found is not None
    rabbit.ctl("add_user", f"runner-{pool}", "pw")
    words = [word.strip("'").replace("staging", pool) for word in found[1].split()]
    rabbit.ctl("set_permissions", f"runner-{pool}", *words)
    return rabbit.url(f"runner-{pool}", "pw")


def test_a_worker_takes_from_a_durable_queue_as_its_pools_user_and_comes_back_after_a_restart(
    rabbit: Rabbit, tmp_path: Path
) -> None:
    url = permitted(rabbit, "test")
    sending(rabbit.url()).send_task("tests.seen", ["before"], queue=QUEUE)
    assert f"{QUEUE}\ttrue" in rabbit.ctl("list_queues", "-q", "name", "durable")
    with working(url, tmp_path) as seen:
        wait_for(lambda: told(seen) == ["before"], 30)
        rabbit.ctl("stop_app")
        rabbit.ctl("start_app")
        until = time.monotonic() + 30
        while "after" not in told(seen) and time.monotonic() < until:
            try:
                sending(rabbit.url()).send_task("tests.seen", ["after"], queue=QUEUE)
            except (OSError, OperationalError):
                time.sleep(0.5)
            time.sleep(0.5)
        assert "after" in told(seen)
        assert rabbit.ctl("list_queues", "-q", "name", "messages_unacknowledged").split()[-1] == "0", "answered early"


def test_the_user_of_one_pool_can_neither_read_nor_write_the_queue_of_another(rabbit: Rabbit) -> None:
    staging = permitted(rabbit, "staging")
    sending(rabbit.url()).send_task("tests.seen", ["secret"], queue="environment.production")
    sending(staging).send_task("tests.seen", ["mine"], queue="environment.staging")
    for act in (
        lambda: sending(staging).send_task("tests.seen", ["forged"], queue="environment.production"),
        lambda: _published_to_default(staging, "environment.production"),
        lambda: _read(staging, "environment.production"),
    ):
        with pytest.raises(Exception, match="ACCESS_REFUSED"):
            act()
    rows = dict(line.split() for line in rabbit.ctl("list_queues", "-q", "name", "messages").splitlines() if line)
    assert (rows["environment.production"], rows["environment.staging"]) == ("1", "1")


def _published_to_default(url: str, queue: str) -> None:
    """Past our own exchange, by the one that routes to every queue by its name."""
    with LINK(url, transport_options={"confirm_publish": True}) as link:
        link.Producer(serializer="json").publish(["x"], exchange="", routing_key=queue)


def _read(url: str, queue: str) -> None:
    with LINK(url) as link:
        link.channel().basic_get(queue)


def test_a_sender_gives_up_at_once_when_no_broker_listens(rabbit: Rabbit) -> None:
    assert seconds_to_fail(f"amqp://guest:guest@127.0.0.1:{rabbit.port + 1}//") < 3
