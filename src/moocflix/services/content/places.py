"""Where the objects of a video are stored: everything of one video below one folder."""

from uuid import UUID

REMOVE_OBJECTS = "remove-objects"
"""The job that removes what is stored below a prefix."""


def folder_of(video_id: UUID) -> str:
    """The prefix of everything that is stored of a video."""
    return f"videos/{video_id}/"


def source_key(video_id: UUID) -> str:
    """Where the upload is stored."""
    return f"{folder_of(video_id)}source"


def prefix_of(video_id: UUID, request_id: UUID) -> str:
    """Where the output of one transcoding is stored, by our own transcoder in a folder for each try."""
    return f"{folder_of(video_id)}{request_id}/"


def video_of(prefix: str) -> UUID:
    """The video that a prefix belongs to."""
    return UUID(prefix.split("/")[1])


def overlap(prefix: str, other: str) -> bool:
    """Whether one of two prefixes holds the other."""
    return prefix.startswith(other) or other.startswith(prefix)
