"""Which media type a file has by the ending of its key, for a store that keeps no types."""

_TYPES = {
    "jpg": "image/jpeg",
    "json": "application/json",
    "m3u8": "application/vnd.apple.mpegurl",
    "m4s": "video/iso.segment",
    "mp4": "video/mp4",
    "pdf": "application/pdf",
    "png": "image/png",
    "vtt": "text/vtt; charset=utf-8",
    "webm": "video/webm",
}
UNKNOWN = "application/octet-stream"


def content_type_of(key: str) -> str:
    """The media type that the key's ending speaks of."""
    return _TYPES.get(key.rpartition(".")[2], UNKNOWN)
