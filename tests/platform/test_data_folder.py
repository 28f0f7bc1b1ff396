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


def test_commands_make_no_database_of_their_own_in_one_that_make_distributed_has_left(tmp_path: Path) -> None:
    data_folder.claim(tmp_path, distributed=True)
    settings = load(environ={"MOOCFLIX_DATA": str(tmp_path), "MOOCFLIX_CONFIG": os.devnull})
    with pytest.raises(DataFolderError, match="`make distributed`, which is not running"), running_database(settings):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["kafka"]
