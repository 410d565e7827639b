"""The store in memory and the control database keep the same contract."""

from pathlib import Path

import pytest

from service.intake.ports import Store
from tests.unit.intake.contract_extract_store import RECEIVED, A, D, ExtractStoreContract
from tests.unit.intake.memory_store import MemoryStore
from tests.unit.intake.pushing import control_database


class TestMemoryStore(ExtractStoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


class TestControlDatabase(ExtractStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return control_database(tmp_path)

    def test_a_data_version_is_new_each_time_and_its_lake_version_never_goes_back(self, tmp_path: Path) -> None:
        store = control_database(tmp_path)
        found = []
        for lake_version in (3, 5, 4, 5, 6):
            with store.write() as transaction:
                transaction.extracts.move_data_version(A, D, lake_version, RECEIVED)
            with store.read() as transaction:
                found.append(transaction.answers.data_version(A, D))
        assert [one.lake for one in found] == [3, 5, 5, 5, 6]
        assert len({one.name for one in found}) == 5

    def test_a_data_version_keeps_its_name_when_its_rows_are_compacted(self, tmp_path: Path) -> None:
        store = control_database(tmp_path)
        found = []
        for _ in range(2):
            with store.write() as transaction:
                transaction.extracts.move_data_version(A, D, 3, RECEIVED)
            with store.read() as transaction:
                found.append(transaction.answers.data_version(A, D))
        with store.write() as transaction:
            assert transaction.extracts.follow_compaction(A, D, 3, 4)
        with store.read() as transaction:
            after = transaction.answers.data_version(A, D)
        assert (after.name, after.lake) == (found[-1].name, 4)
