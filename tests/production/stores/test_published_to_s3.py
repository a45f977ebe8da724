"""`manage.py publish_static s3://…`: the files of several versions in one bucket."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.management import CommandError, call_command

from operations.publishing import publish
from operations.publishing_s3 import BucketStore
from tests.production.stores.aws import ACCESS, Aws

PREFIX = "s3://portal/static"


@pytest.fixture
def store(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The client of an account with an empty bucket `portal`."""
    for name, value in {**ACCESS, "AWS_ENDPOINT_URL": aws.url}.items():
        monkeypatch.setenv(name, value)
    client: Any = boto3.client("s3")
    place = {"LocationConstraint": ACCESS["AWS_DEFAULT_REGION"]}
    client.create_bucket(Bucket="portal", CreateBucketConfiguration=place)
    yield client
    for name in shown(client):
        client.delete_object(Bucket="portal", Key=name)
    client.delete_bucket(Bucket="portal")


def shown(store: Any) -> dict[str, str]:
    names = [each["Key"] for each in store.list_objects_v2(Bucket="portal").get("Contents", ())]
    return {
        name: store.get_object(Bucket="portal", Key=name)["Body"].read().decode() for name in names
    }


def collected(folder: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    """A version whose collectstatic left these files, each under a name with its content."""
    folder.mkdir()
    storage = ManifestStaticFilesStorage(location=folder)
    storage.hashed_files = {name: f"css/{name}.{text}.css" for name, text in files.items()}
    for name, text in files.items():
        file = folder / f"css/{name}.{text}.css"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        file.with_name(f"{file.name}.gz").write_text("compressed")
    # replaced: tests run without collected files
    monkeypatch.setattr(
        "operations.management.commands.publish_static.staticfiles_storage", storage
    )
    settings.STATIC_ROOT = folder


def test_files_of_a_new_version_lie_beside_those_of_the_old_one(
    store: Any, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    collected(tmp_path / "one", settings, monkeypatch, a="old", b="same")
    call_command("publish_static", PREFIX)
    collected(tmp_path / "two", settings, monkeypatch, a="new", b="same")
    call_command("publish_static", PREFIX)

    assert shown(store) == {
        "static/css/a.old.css": "old",
        "static/css/a.new.css": "new",
        "static/css/b.same.css": "same",
    }
    assert "1 files copied, 1 were there, 0 removed" in capsys.readouterr().out
    head = store.head_object(Bucket="portal", Key="static/css/b.same.css")  # which was renewed
    assert head["ContentType"] == "text/css"
    assert head["CacheControl"] == "public, max-age=31536000, immutable"


def test_what_no_version_published_for_long_goes(store: Any, tmp_path: Path) -> None:
    """Others' objects stay. Time is that of the store, so "for long" is no time at all here."""
    for name in ("static/old.1.css", "other/old.1.css"):
        store.put_object(Bucket="portal", Key=name, Body=b"old")
    (tmp_path / "new.1.css").write_text("new")
    bucket = BucketStore(f"{PREFIX}/")
    told = publish(["new.1.css"], source=tmp_path, store=bucket)
    assert (told.copied, told.removed) == (1, 0)

    assert bucket.renew("new.1.css")
    assert BucketStore(PREFIX).remove_older(-3_600) == 2
    assert shown(store) == {"other/old.1.css": "old"}


@pytest.mark.parametrize(
    ("where", "says"), [("s3://", "Name the bucket"), ("s3://nobodys/static", "not exist")]
)
@pytest.mark.usefixtures("store")
def test_a_bucket_that_is_not_there_is_refused(
    where: str, says: str, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected(tmp_path / "one", settings, monkeypatch, a="old")
    with pytest.raises(CommandError, match=says):
        call_command("publish_static", where)


def test_without_its_packages_a_sentence_says_which(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected(tmp_path / "one", settings, monkeypatch, a="old")
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delitem(sys.modules, "operations.publishing_s3")
    with pytest.raises(CommandError, match=r"needs the packages of requirements-aws\.txt"):
        call_command("publish_static", PREFIX)
