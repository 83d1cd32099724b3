"""A local S3 server."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from moto.server import ThreadedMotoServer
from pyarrow import fs


@contextmanager
def s3_server(patch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run a server with an empty bucket; yield the URL of a folder in it, as a user would give it."""
    patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        there = f"{host}:{port}"
        made = fs.S3FileSystem(endpoint_override=there, scheme="http", allow_bucket_creation=True)
        # All servers of a process share what they hold.
        bucket = f"searches-{secrets.token_hex(4)}"
        made.create_dir(bucket)
        yield f"s3://{bucket}/mine?endpoint_override={there}&scheme=http"
    finally:
        server.stop()
