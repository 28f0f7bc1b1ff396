"""A data folder belongs to one kind of installation."""

from pathlib import Path

import pytest

from moocflix.platform import data_folder
from moocflix.platform.data_folder import DataFolderError


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
