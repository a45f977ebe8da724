"""A fast password hasher, whose hashes the real hasher can read."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickHasher(PBKDF2PasswordHasher):
    """Hashes with few iterations. The real hash takes half a second, and tests make hundreds of
    users.
    """

    iterations = 1
