"""Static files in a bucket of S3, or of a store that speaks its protocol (AWS_ENDPOINT_URL).

Needs the packages of requirements-aws.txt. Credentials and region are found as AWS's own tools find
them. A CDN in front compresses, so compressed copies are not put there.
"""

import mimetypes
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

# A name contains a digest of its content, so a browser may keep it for good.
_KEPT_BY_BROWSERS = "public, max-age=31536000, immutable"
_AT_ONCE = 1_000  # objects that S3 removes with one call


class StoreError(OSError):
    """The store cannot be reached, or refuses."""


class BucketStore:
    """The objects of `s3://BUCKET/PREFIX`."""

    compressed = False

    def __init__(self, address: str) -> None:
        """Raises StoreError when the bucket cannot be listed."""
        parts = urlsplit(address)
        self._bucket = parts.netloc
        path = parts.path.strip("/")
        self._prefix = f"{path}/" if path else ""
        try:
            self._client: Any = boto3.client("s3")
            self._seen = dict(self._listed())
        except (BotoCoreError, ClientError) as error:
            raise StoreError(str(error)) from error

    def renew(self, name: str) -> bool:
        if name not in self._seen:
            return False
        # copying an object to itself is how its date becomes today's
        self._call(
            "copy_object",
            Key=self._prefix + name,
            CopySource={"Bucket": self._bucket, "Key": self._prefix + name},
            MetadataDirective="REPLACE",
            **_headers(name),
        )
        self._seen[name] = datetime.now(UTC)
        return True

    def put(self, file: Path, name: str) -> None:
        self._call("put_object", Key=self._prefix + name, Body=file.read_bytes(), **_headers(name))
        self._seen[name] = datetime.now(UTC)

    def remove_older(self, seconds: float) -> int:
        before = datetime.now(UTC) - timedelta(seconds=seconds)
        old = [name for name, at in self._seen.items() if at < before]
        for start in range(0, len(old), _AT_ONCE):
            chosen = [{"Key": self._prefix + name} for name in old[start : start + _AT_ONCE]]
            answer = self._call("delete_objects", Delete={"Objects": chosen, "Quiet": True})
            if answer.get("Errors"):
                raise StoreError(f"not removed: {answer['Errors'][0].get('Message')}")
        return len(old)

    def _call(self, operation: str, **arguments: Any) -> Any:
        try:
            return getattr(self._client, operation)(Bucket=self._bucket, **arguments)
        except (BotoCoreError, ClientError) as error:
            raise StoreError(str(error)) from error

    def _listed(self) -> Iterator[tuple[str, datetime]]:
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
            for each in page.get("Contents", ()):
                yield each["Key"].removeprefix(self._prefix), each["LastModified"]


def _headers(name: str) -> dict[str, str]:
    kind, _encoding = mimetypes.guess_type(name)
    return {
        "ContentType": kind or "application/octet-stream",
        "CacheControl": _KEPT_BY_BROWSERS,
    }
