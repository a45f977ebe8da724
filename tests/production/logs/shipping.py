"""rsyslog with the configuration of deploy/, into a pretended Elasticsearch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.production.logs.elasticsearch import Elasticsearch
from tests.support.daemons import Daemon

LOGS = Path(__file__).resolve().parents[3] / "deploy/logs"
RSYSLOG = shutil.which("rsyslogd", path=f"{os.environ['PATH']}:/usr/sbin")
needs_rsyslog = pytest.mark.skipif(
    not RSYSLOG or not any(Path("/usr/lib").glob("**/rsyslog/omelasticsearch.so")),
    reason="rsyslog-elasticsearch is missing (Debian: apt install rsyslog-elasticsearch)",
)


@contextmanager
def shipped(folder: Path, logs: Path, configuration: str) -> Iterator[Elasticsearch]:
    """Ship the lines of the files in `logs` while the block runs. `folder`: for rsyslog's own."""
    with Elasticsearch() as store:
        (folder / "spool").mkdir()
        for theirs, ours in (
            ("/var/spool/rsyslog", f"{folder}/spool"),
            ("/var/log/portal", str(logs)),
            ('serverport="9200"', f'serverport="{store.port}"'),
        ):
            assert theirs in configuration
            configuration = configuration.replace(theirs, ours)
        written = folder / "rsyslog.conf"
        written.write_text(configuration)
        command = [str(RSYSLOG), "-n", "-f", str(written), "-i", f"{folder}/pid"]
        process = Daemon("rsyslog", command, os.environ, folder / "spool")
        try:
            process.start()
            yield store
        finally:
            process.stop()
