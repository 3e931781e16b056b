"""Counterparts of the providers, each for one test: an AWS, a Vault, a PostgreSQL, a Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.credentials.clouds import Cloud, a_cloud
from tests.credentials.clusters import Cluster, a_cluster
from tests.credentials.vaults import Place, a_place
from tests.postgres.conftest import server, shop

__all__ = ["server", "shop"]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with a_cloud() as made:
        yield made


@pytest.fixture
def place() -> Iterator[Place]:
    with a_place() as made:
        yield made


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with a_cluster(tmp_path) as made:
        yield made
