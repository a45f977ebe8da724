"""Settings of the tokens with which people call the API, and the keys that sign them."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from loyalty_portal.configuration.environment import Environment

SMALLEST = 2048  # bits of an RSA key


class TokenSettings(NamedTuple):
    """`signing_keys` are files of PEM, newest first. The others are seconds."""

    signing_keys: list[str]
    access_seconds: int
    refresh_seconds: int


def read(env: Environment, *, debug: bool) -> TokenSettings:
    """The settings from the environment. Problems are added to `env`."""
    files = env.words("JWT_SIGNING_KEYS")
    for file in files:
        if problem := _problem(file):
            env.wrong("JWT_SIGNING_KEYS", problem)
    if not files and debug:
        files = [str(_development_file())]
    if not files:
        env.wrong("JWT_SIGNING_KEYS", "is missing; tokens of people could not be signed.")
    return TokenSettings(
        files,
        env.count("JWT_ACCESS_SECONDS", 300, low=30, high=3600),
        env.count("JWT_REFRESH_SECONDS", 14 * 24 * 3600, low=3600, high=90 * 24 * 3600),
    )


def private_key(file: str) -> rsa.RSAPrivateKey:
    """The private key in a file of PEM. With DEBUG, its own file is made when it is not there.
    Raises OSError and ValueError.
    """
    path = Path(file)
    if path == _development_file():
        _make(path)
    found = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(found, rsa.RSAPrivateKey) or found.key_size < SMALLEST:
        raise ValueError(f"no RSA key of {SMALLEST} bits or more")
    return found


def new_key() -> bytes:
    """A new private key as PEM."""
    return rsa.generate_private_key(65537, SMALLEST).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _problem(file: str) -> str:
    try:
        private_key(file)
    except OSError as error:
        return f"cannot read {file} ({error.strerror})."
    except (ValueError, TypeError):  # a TypeError when the key has a password
        return f"{file} holds no RSA key of {SMALLEST} bits or more as PEM without a password."
    return ""


def _development_file() -> Path:
    """The file of the key for DEBUG. It is the user's own, and outside of the repository."""
    return Path(tempfile.gettempdir()) / f"portal-keys-{os.getuid()}" / "development.pem"


def _make(path: Path) -> None:
    """Write a new key, unless there is one. Raises OSError when the folder is not this user's own:
    somebody else could have put their key there.
    """
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.parent.stat().st_uid != os.getuid():
        raise PermissionError(f"{path.parent} belongs to somebody else")
    if path.exists():
        return
    with tempfile.NamedTemporaryFile(dir=path.parent) as file:
        file.write(new_key())
        file.flush()
        with suppress(FileExistsError):  # another process was faster
            os.link(file.name, path)
