"""A password hash that costs the tests nothing, and that the real one can read."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickHasher(PBKDF2PasswordHasher):
    """The real hash takes half a second, on purpose; the tests make hundreds of people."""

    iterations = 1
