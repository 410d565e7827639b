from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.client import Client
from connectors.sign_in import ClientKey
from connectors.transport import Retry
from tests.unit.connectors.broker_app import serving
from tests.unit.connectors.broker_double import CLIENT, BrokerDouble

Connect = Callable[..., Client]


@pytest.fixture
def broker() -> Iterator[BrokerDouble]:
    """A broker on loopback with a little history in its log."""
    double = BrokerDouble()
    for _ in range(3):
        double.log.append("read")
    with serving(double) as served:
        yield served


@pytest.fixture
def waits() -> list[float]:
    """How long the client wanted to wait; it never does."""
    return []


@pytest.fixture
def connect(broker: BrokerDouble, tmp_path: Path, waits: list[float]) -> Iterator[Connect]:
    """Make clients of the broker that share one state folder unless told otherwise."""
    made: list[Client] = []

    def one(**options: Any) -> Client:
        credential = options.pop("credential", ClientKey(CLIENT, broker.client_key))
        options.setdefault("retry", Retry(sleep=waits.append))
        client = Client(broker.base_url, credential, options.pop("state", tmp_path / "state"), **options)
        made.append(client)
        return client

    yield one
    for client in made:
        client.close()


@pytest.fixture
def client(connect: Connect) -> Client:
    return connect()
