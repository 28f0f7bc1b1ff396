"""A data folder belongs to one kind of installation."""

import os
from pathlib import Path

import pytest

from moocflix.entrypoints.migrate import running_database
from moocflix.platform import data_folder
from moocflix.platform.data_folder import DataFolderError
from moocflix.platform.settings import load


def test_a_folder_that_make_run_has_filled_is_no_place_for_a_distributed_platform(tmp_path: Path) -> None:
    data_folder.claim(tmp_path, distributed=False)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "postgres-password").touch()
    data_folder.claim(tmp_path, distributed=False)
    with pytest.raises(DataFolderError, match=r"those of `make run`.* MOOCFLIX_DATA: it starts empty"):
        data_folder.claim(tmp_path, distributed=True)


def test_a_folder_that_make_distributed_has_filled_is_no_place_for_an_embedded_one(tmp_path: Path) -> None:
    data_folder.claim(tmp_path, distributed=True)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "postgres-password").touch()
    data_folder.claim(tmp_path, distributed=True)
    with pytest.raises(DataFolderError, match=r"those of `make distributed`.* MOOCFLIX_DATA"):
        data_folder.claim(tmp_path, distributed=False)


def test_nothing_starts_in_a_folder_before_the_move_into_it_has_come_to_its_end(tmp_path: Path) -> None:
    data_folder.claim_for_move(tmp_path)
    with pytest.raises(DataFolderError, match="has not come to its end"):
        data_folder.claim(tmp_path, distributed=True)
    with pytest.raises(DataFolderError, match="those of `make distributed`"):
        data_folder.claim(tmp_path, distributed=False)
    data_folder.claim_for_move(tmp_path)
    data_folder.end_move(tmp_path)
    data_folder.claim(tmp_path, distributed=True)


def test_nothing_moves_into_a_folder_that_either_kind_of_platform_has(tmp_path: Path) -> None:
    for kind in ("embedded", "distributed"):
        (tmp_path / kind / "secrets").mkdir(parents=True)
        data_folder.claim(tmp_path / kind, distributed=kind == "distributed")
        (tmp_path / kind / "secrets" / "postgres-password").touch()
    with pytest.raises(DataFolderError, match="those of `make run`"):
        data_folder.claim_for_move(tmp_path / "embedded")
    with pytest.raises(DataFolderError, match="Name an empty folder"):
        data_folder.claim_for_move(tmp_path / "distributed")
    for kind in ("embedded", "distributed"):
        data_folder.claim(tmp_path / kind, distributed=kind == "distributed")


def test_commands_make_no_database_of_their_own_in_one_that_make_distributed_has_left(tmp_path: Path) -> None:
    data_folder.claim(tmp_path, distributed=True)
    settings = load(environ={"MOOCFLIX_DATA": str(tmp_path), "MOOCFLIX_CONFIG": os.devnull})
    with pytest.raises(DataFolderError, match="`make distributed`, which is not running"), running_database(settings):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["kafka"]
