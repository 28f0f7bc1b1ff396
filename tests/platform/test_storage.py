"""One suite over both stores: what the port promises, a local folder and a bucket keep."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from moto.server import ThreadedMotoServer

from moocflix.platform import clock
from moocflix.platform.settings import Settings, SettingsError
from moocflix.platform.storage.local import LocalStorage
from moocflix.platform.storage.port import KeyRefused, ObjectMissing, Storage, StorageAway
from moocflix.platform.storage.s3 import S3Storage
from moocflix.platform.storage.stores import open_storage

MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    # This server checks no signatures, so that a bucket is made by naming it.
    httpx.put(f"{address}/videos").raise_for_status()
    yield address
    server.stop()


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "local":
        return LocalStorage(tmp_path / "files", secret=b"secret")
    endpoint = request.getfixturevalue("s3_endpoint")
    return S3Storage("videos", endpoint=endpoint, region="us-east-1", access_key="key", secret_key="hidden")


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def content(storage: Storage, key: str, *, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in storage.read(await storage.head(key), start=start, end=end)])


async def keys(storage: Storage, prefix: str) -> list[str]:
    return sorted([found.key async for found in storage.list(prefix)])


async def test_what_is_put_is_read_back_with_its_size_and_type(storage: Storage) -> None:
    await storage.put("back/one.bin", chunks(b"ab", b"", b"c"), content_type="video/webm")
    head = await storage.head("back/one.bin")
    assert await content(storage, "back/one.bin") == b"abc"
    assert (head.size, head.content_type) == (3, "video/webm")
    assert head.etag.startswith('"')
    assert head.modified.tzinfo is not None


async def test_a_later_put_replaces_content_type_and_etag(storage: Storage) -> None:
    await storage.put("again/a.mp4", chunks(b"first"), content_type="video/webm")
    first = await storage.head("again/a.mp4")
    await storage.put("again/a.mp4", chunks(b"second one"), content_type="video/mp4")
    second = await storage.head("again/a.mp4")
    assert (second.content_type, second.size) == ("video/mp4", 10)
    assert second.etag != first.etag


async def test_many_megabytes_come_back_whole(storage: Storage) -> None:
    piece = bytes(range(256)) * 4096
    await storage.put("big/file", chunks(*[piece] * 13, b"end"), content_type="video/mp4")
    digest = hashlib.sha256()
    async for part in storage.read(await storage.head("big/file")):
        digest.update(part)
    assert digest.digest() == hashlib.sha256(piece * 13 + b"end").digest()


async def test_a_file_that_is_replaced_or_removed_while_it_is_read_is_not_mixed_up(storage: Storage) -> None:
    await storage.put("moved/file", chunks(b"old"), content_type="text/plain")
    found = await storage.head("moved/file")
    await storage.put("moved/file", chunks(b"newer"), content_type="text/plain")
    with pytest.raises(StorageAway):
        assert [piece async for piece in storage.read(found)] == []
    await storage.delete_prefix("moved/")
    with pytest.raises(ObjectMissing):
        assert [piece async for piece in storage.read(found)] == []


async def test_an_empty_file_is_a_file(storage: Storage) -> None:
    await storage.put("empty/file", chunks(), content_type="text/plain")
    assert (await storage.head("empty/file")).size == 0
    assert await content(storage, "empty/file") == b""


@pytest.mark.parametrize(("start", "end", "expected"), [(2, 5, b"234"), (7, None, b"789"), (8, 99, b"89"), (4, 4, b"")])
async def test_a_part_is_read(storage: Storage, start: int, end: int | None, expected: bytes) -> None:
    await storage.put("part/file", chunks(b"0123456789"), content_type="text/plain")
    assert await content(storage, "part/file", start=start, end=end) == expected


async def test_a_put_that_breaks_leaves_nothing(storage: Storage, tmp_path: Path) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield bytes(MEGABYTE)
        message = "the line went dead"
        raise ConnectionResetError(message)

    with pytest.raises(ConnectionResetError):
        await storage.put("broken/file", breaking(), content_type="video/mp4")
    with pytest.raises(ObjectMissing):
        await storage.head("broken/file")
    assert [path for path in (tmp_path / "files" / "objects").rglob("*") if path.is_file()] == []


async def test_a_put_that_breaks_leaves_the_older_file(storage: Storage) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield b"new"
        raise ConnectionResetError

    await storage.put("older/file", chunks(b"old"), content_type="text/plain")
    with pytest.raises(ConnectionResetError):
        await storage.put("older/file", breaking(), content_type="text/plain")
    assert await content(storage, "older/file") == b"old"


async def test_what_is_not_there_is_missing(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(ObjectMissing):
        await storage.head("no/file")
    with pytest.raises(ObjectMissing):
        await content(storage, "no/file")
    with pytest.raises(ObjectMissing):
        async with storage.local_copy("no/file", folder=tmp_path):
            pass
    await storage.delete_prefix("no/")


async def test_a_prefix_is_a_folder_not_the_start_of_a_name(storage: Storage) -> None:
    for key in ("tree/a/1", "tree/a/b/2", "tree/ab/3"):
        await storage.put(key, chunks(b"x"), content_type="text/plain")
    assert await keys(storage, "tree/a/") == ["tree/a/1", "tree/a/b/2"]
    await storage.delete_prefix("tree/a/")
    assert await keys(storage, "tree/") == ["tree/ab/3"]


async def test_a_type_does_not_outlive_its_file(storage: Storage) -> None:
    await storage.put("typed/a.mp4", chunks(b"x"), content_type="text/plain")
    await storage.delete_prefix("typed/")
    await storage.put("typed/a.mp4", chunks(b"x"), content_type="video/mp4")
    assert (await storage.head("typed/a.mp4")).content_type == "video/mp4"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../x",
        "a/./x",
        "a//x",
        "a/",
        "a\\..\\x",
        "a/%2e%2e/x",
        "a\0b",
        ".hidden",
        "a" * 600,
    ],
)
async def test_a_key_that_could_escape_is_refused(storage: Storage, key: str) -> None:
    with pytest.raises(KeyRefused):
        await storage.put(key, chunks(b"x"), content_type="text/plain")
    with pytest.raises(KeyRefused):
        await storage.head(key)
    with pytest.raises(KeyRefused):
        await content(storage, key)
    with pytest.raises(KeyRefused):
        await storage.signed_url(key, method="GET", seconds=1)


@pytest.mark.parametrize("prefix", ["", "/", "a", "../", "a/../"])
async def test_a_prefix_that_means_too_much_is_refused(storage: Storage, prefix: str) -> None:
    with pytest.raises(KeyRefused):
        await storage.delete_prefix(prefix)


async def test_a_local_copy_holds_the_bytes_and_is_gone_after(storage: Storage, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    await storage.put("copied/file", chunks(b"x" * 5 * MEGABYTE), content_type="text/plain")
    async with storage.local_copy("copied/file", folder=scratch) as path:
        assert path.read_bytes() == b"x" * 5 * MEGABYTE
    assert list(scratch.iterdir()) == []
    assert (await storage.head("copied/file")).size == 5 * MEGABYTE


async def test_a_store_that_works_has_no_fault(storage: Storage) -> None:
    assert await storage.fault() is None


async def test_presigned_urls_of_a_bucket_read_and_write(s3_endpoint: str) -> None:
    store = S3Storage("videos", endpoint=s3_endpoint, region="us-east-1", access_key="key", secret_key="hidden")
    async with httpx.AsyncClient() as client:
        put = await client.put(await store.signed_url("signed/file", method="PUT", seconds=60), content=b"by url")
        got = await client.get(await store.signed_url("signed/file", method="GET", seconds=60))
    assert (put.status_code, got.content) == (200, b"by url")


async def test_a_server_that_is_away_is_said_to_be_away() -> None:
    store = S3Storage(
        "videos", endpoint="http://127.0.0.1:9", region="us-east-1", access_key="key", secret_key="hidden"
    )
    with pytest.raises(StorageAway):
        await store.head("some/file")
    assert "does not answer" in str(await store.fault())


async def test_a_local_url_grants_one_method_on_one_key_for_a_while(tmp_path: Path) -> None:
    store = LocalStorage(tmp_path, secret=b"secret", public_url="https://school.example")
    url = await store.signed_url("a/b.mp4", method="GET", seconds=60)
    assert url.startswith("https://school.example/api/v1/files/")
    signature = url.split("/")[-3]
    now = clock.utc_now()
    assert store.grants(signature, method="GET", key="a/b.mp4", now=now)
    assert not store.grants(signature, method="PUT", key="a/b.mp4", now=now)
    assert not store.grants(signature, method="GET", key="a/c.mp4", now=now)
    assert not store.grants(signature, method="GET", key="a/b.mp4", now=now + timedelta(seconds=61))
    asking = (await store.signed_url("a/b.mp4", method="HEAD", seconds=60)).split("/")[-3]
    assert store.grants(asking, method="GET", key="a/b.mp4", now=now)


@pytest.mark.parametrize(
    "forge", [lambda text: "f" + text, lambda text: text[:-1], lambda _text: "", lambda _text: "x-y"]
)
async def test_a_forged_signature_grants_nothing(tmp_path: Path, forge: object) -> None:
    store = LocalStorage(tmp_path, secret=b"secret")
    signature = (await store.signed_url("a/b", method="GET", seconds=60)).split("/")[-3]
    assert not store.grants(forge(signature), method="GET", key="a/b", now=clock.utc_now())  # type: ignore[operator]


async def test_half_an_upload_left_by_a_kill_goes_with_its_folder(tmp_path: Path) -> None:
    store = LocalStorage(tmp_path, secret=b"secret")
    left = tmp_path / "objects" / "videos" / "1" / "source#1"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    assert await keys(store, "videos/1/") == []
    await store.delete_prefix("videos/1/")
    assert not left.parent.exists()


async def test_the_settings_choose_the_store(tmp_path: Path) -> None:
    environ = {"MOOCFLIX_DATA": str(tmp_path)}
    local = open_storage(Settings(environ, {}))
    await local.put("a", chunks(b"x"), content_type="text/plain")
    assert (tmp_path / "files" / "objects" / "a").exists()
    again = open_storage(Settings(environ, {}))
    assert isinstance(local, LocalStorage)
    assert isinstance(again, LocalStorage)
    signature = (await local.signed_url("a", method="GET", seconds=9)).split("/")[-2]
    assert again.grants(signature, method="GET", key="a", now=clock.utc_now())
    bucket = {"MOOCFLIX_STORAGE_KIND": "s3", "MOOCFLIX_STORAGE_S3_BUCKET": "videos"}
    assert isinstance(open_storage(Settings(bucket, {})), S3Storage)
    with pytest.raises(SettingsError, match="MOOCFLIX_STORAGE_S3_BUCKET"):
        open_storage(Settings({"MOOCFLIX_STORAGE_KIND": "s3"}, {}))


async def test_a_listing_of_everything_leaves_nothing_out(storage: Storage) -> None:
    await storage.put("all/one", chunks(b"1"), content_type="text/plain")
    await storage.put("every/two", chunks(b"22"), content_type="text/plain")
    found = {listed.key: listed.size async for listed in storage.list_all()}
    assert {"all/one": 1, "every/two": 2}.items() <= found.items()
