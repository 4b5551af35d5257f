"""Exports in a bucket of a real S3-compatible storage: kept, opened in parts, removed; and one that refuses."""

from pathlib import Path
from typing import Any

import pytest

from application import Application, running
from object_storage import Storage
from tinycdp.products.exports.running import ExportRuns


def settings(storage: Storage, folder: Path, bucket: str, key: str, secret: str) -> dict[str, Any]:
    return {
        "data_dir": folder, "export_storage": f"s3://{bucket}/from/tinycdp", "export_s3_endpoint": storage.url,
        "export_s3_region": "us-east-1", "export_s3_key_id": key, "export_s3_secret": secret,
    }  # fmt: skip


def runs(app: Application, dsn: str) -> ExportRuns:
    return ExportRuns(dsn, app.service.pool, app.service.now, app.service.export_jobs.storage)


async def exported(app: Application, dsn: str) -> Any:
    job = (await app.read.post("/v1/exports", json={"what": "profiles"})).json()
    await runs(app, dsn).write(app.environment_id, job["id"])
    return (await app.read.get(f"/v1/exports/{job['id']}")).json()


async def test_a_file_is_kept_in_a_bucket_and_opened_from_there(dsn: str, storage: Storage, tmp_path: Path) -> None:
    bucket = storage.bucket()
    chosen = settings(storage, tmp_path, bucket, storage.access_key, storage.secret_key)
    async with running(dsn, **chosen) as app:
        await app.track({"userId": "ada", "event": "go"})
        job = await exported(app, dsn)
        assert job["status"] == "done", job
        answer = await app.read.get(f"/v1/exports/{job['id']}/file")
        assert answer.status_code == 200, answer.text
        assert answer.text.splitlines()[1].split(",")[1] == "ada"
        link = (await app.read.post(f"/v1/exports/{job['id']}/link")).json()["url"].removeprefix("http://test")
        part = await app.keyless.get(link, headers={"Range": "bytes=3-12"})
        assert (part.status_code, part.content) == (206, answer.content[3:13])

        ((name, content),) = storage.objects(bucket).items()
        assert name.startswith("from/tinycdp/prod/profiles-") and name.endswith(f"-{job['id']}.csv")
        assert content == answer.content
        await app.read.delete(f"/v1/exports/{job['id']}")
        await runs(app, dsn).tidy()
        assert storage.objects(bucket) == {}


@pytest.mark.parametrize("key", ["nosuch", "reader"])
async def test_a_storage_that_refuses_is_said(dsn: str, storage: Storage, tmp_path: Path, key: str) -> None:
    secret = "secret-of-the-reader"
    async with running(dsn, **settings(storage, tmp_path, storage.bucket(), key, secret)) as app:
        job = await exported(app, dsn)
        assert (job["status"], job["error"]["code"]) == ("failed", "EXPORT_STORAGE_FAILED")
        assert "could not be written" in job["error"]["message"]
        assert secret not in str(job)
        assert not list(tmp_path.glob("exports/.writing/*"))  # noqa: ASYNC240
