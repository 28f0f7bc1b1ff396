"""Secrets: made once, kept from others, never made up in production."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as some

from moocflix.platform.sealing import Seal, SealBroken, derive_key
from moocflix.platform.secrets import SecretMissing, Secrets
from moocflix.platform.settings import Settings


def read(folder: Path) -> bytes:
    return Secrets(folder).text("seal")


def test_it_is_made_once_and_stays(tmp_path: Path) -> None:
    first = read(tmp_path / "secrets")
    assert len(first) >= 32
    assert read(tmp_path / "secrets") == first


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    read(tmp_path / "secrets")
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "secrets" / "seal").stat().st_mode) == 0o600
    assert [file.name for file in (tmp_path / "secrets").iterdir()] == ["seal"]


def test_all_who_race_end_with_the_same_one(tmp_path: Path) -> None:
    """What decides is the file system, between threads as between processes."""
    for number in range(20):
        together = Barrier(8)

        def make(_: int, folder: Path = tmp_path / str(number), together: Barrier = together) -> bytes:
            together.wait()
            return read(folder)

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(make, range(8)))) == 1


def test_the_environment_comes_first(tmp_path: Path) -> None:
    settings = Settings({"MOOCFLIX_SECRET_SEAL": "x" * 40, "MOOCFLIX_PLATFORM_DATA": str(tmp_path)}, {})
    assert Secrets.of(settings).text("seal") == b"x" * 40
    assert list(tmp_path.iterdir()) == []


def production(folder: Path) -> Settings:
    return Settings(
        {
            "MOOCFLIX_PLATFORM_ENVIRONMENT": "production",
            "MOOCFLIX_PLATFORM_PUBLIC_URL": "https://moocflix.example",
            "MOOCFLIX_SECRETS_FOLDER": str(folder),
        },
        {},
    )


def test_production_makes_nothing_up(tmp_path: Path) -> None:
    settings = production(tmp_path)
    with pytest.raises(SecretMissing, match="seal is not there"):
        Secrets.of(settings).text("seal")


def test_production_reads_a_file_that_somebody_put_there(tmp_path: Path) -> None:
    settings = production(tmp_path)
    (tmp_path / "seal").write_text("y" * 40 + "\n")
    assert Secrets.of(settings).text("seal") == b"y" * 40


def test_a_short_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "seal").write_text("short")
    with pytest.raises(SecretMissing, match="shorter than 32"):
        read(tmp_path)


def test_one_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "seal").mkdir()
    with pytest.raises(SecretMissing, match="cannot be read"):
        read(tmp_path)


def test_one_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SecretMissing, match="cannot be"):
        read(tmp_path / "file" / "secrets")


def test_a_name_leads_nowhere_else(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.\./seal"):
        Secrets(tmp_path).text("../seal")


def test_two_purposes_have_two_keys(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path)
    assert len(secrets.key("seal", purpose="a")) == 32
    assert secrets.key("seal", purpose="a") != secrets.key("seal", purpose="b")
    assert secrets.key("seal", purpose="a") == Secrets(tmp_path).key("seal", purpose="a")


@given(plain=some.binary(), about=some.binary())
def test_what_is_sealed_opens_in_its_place_alone(plain: bytes, about: bytes) -> None:
    seal = Seal(derive_key(b"secret", purpose="test"))
    closed = seal.close(plain, about=about)
    assert seal.open(closed, about=about) == plain
    with pytest.raises(SealBroken):
        seal.open(closed, about=about + b"elsewhere")


@given(place=some.integers(min_value=0), bit=some.integers(min_value=0, max_value=7))
def test_a_flipped_bit_breaks_the_seal(place: int, bit: int) -> None:
    seal = Seal(derive_key(b"secret", purpose="test"))
    closed = bytearray(seal.close(b"something", about=b""))
    closed[place % len(closed)] ^= 1 << bit
    with pytest.raises(SealBroken):
        seal.open(bytes(closed), about=b"")


@given(some.binary(max_size=40))
def test_any_other_bytes_are_no_seal(data: bytes) -> None:
    with pytest.raises(SealBroken):
        Seal(derive_key(b"secret", purpose="test")).open(data, about=b"")
