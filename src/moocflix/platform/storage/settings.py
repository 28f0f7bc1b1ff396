"""Where files are kept, by the settings."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from moocflix.platform.settings import SecretText, Section


class StorageSettings(Section, frozen=True, kw_only=True):
    """Videos and other files."""

    section: ClassVar[str] = "storage"

    kind: Annotated[
        Literal["local", "s3"], Meta(description="A folder of this machine, or a bucket of an S3 compatible server.")
    ] = "local"
    folder: Annotated[str, Meta(description="The folder of the local store; empty: `files` in the data folder.")] = ""
    signing_secret: Annotated[
        SecretText,
        Meta(description="Signs URLs to local files; empty: made at the first start, in the data folder's secrets."),
    ] = SecretText("")
    put_limit: Annotated[
        int, Meta(ge=1, description="Largest file that a signed URL of the local store takes, in bytes.")
    ] = 5 * 1024**3
    s3_endpoint: Annotated[str, Meta(description="Address of the S3 server; empty: Amazon's of the region.")] = ""
    s3_region: Annotated[str, Meta(description="The bucket's region.")] = "us-east-1"
    s3_bucket: Annotated[str, Meta(description="The bucket; it must be there.")] = ""
    s3_access_key: Annotated[SecretText, Meta(description="Access key of the bucket.")] = SecretText("")
    s3_secret_key: Annotated[SecretText, Meta(description="Secret key of the bucket.")] = SecretText("")
    s3_redirects: Annotated[
        bool, Meta(description="Send readers to presigned URLs; off where they cannot reach the S3 server.")
    ] = True
