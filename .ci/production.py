"""Runs a manage.py command in production mode, with safe values made up on the spot.

`python .ci/production.py check --deploy`: nothing in it connects to anything.
"""

import base64
import os
import secrets
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

MANAGE = Path(__file__).resolve().parent.parent / "manage.py"

# In memory where that is possible, so that it is no part of an image that is built.
SHARED_MEMORY = Path("/dev/shm")
FOLDER = tempfile.mkdtemp(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None)
SIGNING_KEY = Path(FOLDER) / "jwt.pem"
SIGNING_KEY.write_bytes(
    rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
)

PRODUCTION = {
    "DEBUG": "false",
    "SECRET_KEY": secrets.token_urlsafe(50),
    "ALLOWED_HOSTS": "portal.example",
    "PORTAL_URL": "https://portal.example",
    "DATABASE_URL": "postgresql://portal@127.0.0.1:5432/portal",
    "LOYALTY_API_URL": "https://points.example/v1",
    "LOYALTY_API_KEY": secrets.token_urlsafe(32),
    "FULFILLMENT_API_URL": "https://fulfillment.example/v1",
    "FULFILLMENT_API_KEY": secrets.token_urlsafe(32),
    "FULFILLMENT_WEBHOOK_SECRETS": "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
    "FIELD_ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    "JWT_SIGNING_KEYS": str(SIGNING_KEY),
}

command = [sys.executable, str(MANAGE), *sys.argv[1:]]
os.execve(sys.executable, command, os.environ | PRODUCTION)
