"""Writes Alertmanager's configuration from the portal's own variables.

    python deploy/alertmanager/configure.py /etc/alertmanager

reads PAGERDUTY_ROUTING_KEY, PAGERDUTY_URL and HEARTBEAT_URL, and writes alertmanager.yml and
pagerduty_routing_key there. It needs only PyYAML.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

SHIPPED = Path(__file__).with_name("alertmanager.yml")
KEY_FILE = "pagerduty_routing_key"


class WrongError(Exception):
    """A variable is missing or wrong; the message says which and why."""


def configured(variables: Mapping[str, str], key_file: Path) -> dict[str, Any]:
    """The configuration, with the routing key in this file. Raises WrongError."""
    if not variables.get("PAGERDUTY_ROUTING_KEY", "").strip():
        raise WrongError("PAGERDUTY_ROUTING_KEY: is missing; Alertmanager would tell nobody.")
    pagerduty = _address(variables, "PAGERDUTY_URL") or "https://events.pagerduty.com"
    heartbeat = _address(variables, "HEARTBEAT_URL")
    settings: dict[str, Any] = yaml.safe_load(SHIPPED.read_text())
    receivers = {receiver["name"]: receiver for receiver in settings["receivers"]}
    told = receivers["pagerduty"]["pagerduty_configs"][0]
    told["url"] = f"{pagerduty}/v2/enqueue"
    # Alertmanager 0.25 looks for a relative path in its working directory.
    told["routing_key_file"] = str(key_file.absolute())
    if heartbeat:
        receivers["heartbeat"]["webhook_configs"][0]["url"] = heartbeat
    else:
        del receivers["heartbeat"]["webhook_configs"]
    return settings


def _address(variables: Mapping[str, str], name: str) -> str:
    value = variables.get(name, "").strip().rstrip("/")
    parts = urlsplit(value)
    if value and (parts.scheme not in {"http", "https"} or not parts.netloc):
        raise WrongError(f"{name}: must be an http(s) address, not {value!r}.")
    return value


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("Name the folder: configure.py /etc/alertmanager\n")
        return 2
    folder = Path(arguments[0])
    key = folder / KEY_FILE
    try:
        settings = configured(os.environ, key)
    except WrongError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    key.touch(mode=0o600)
    key.chmod(0o600)
    key.write_text(os.environ["PAGERDUTY_ROUTING_KEY"].strip())
    settings_file = folder / "alertmanager.yml"
    settings_file.touch(mode=0o600)
    settings_file.write_text(yaml.safe_dump(settings, sort_keys=False))
    if not os.environ.get("HEARTBEAT_URL", "").strip():
        sys.stdout.write("HEARTBEAT_URL is not set: nobody notices when no alert can come.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
