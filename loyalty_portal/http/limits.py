"""Counters that limit how often something may happen, in Redis or else in each process."""

import hashlib
from dataclasses import dataclass

from django.core.cache import cache


@dataclass(frozen=True, slots=True)
class Limit:
    """Allows `most` times in `seconds`; the window begins with the first."""

    name: str
    most: int
    seconds: int

    def take(self, who: str) -> bool:
        """Count one for `who`. Returns False when the limit is exceeded."""
        key = self._key(who)
        cache.add(key, 0, timeout=self.seconds)
        try:
            count: int = cache.incr(key)
        except ValueError:  # the window just ended
            cache.add(key, 1, timeout=self.seconds)
            count = 1
        return count <= self.most

    def is_reached(self, who: str) -> bool:
        """Whether the limit is reached for `who`. Counts nothing."""
        count: int = cache.get(self._key(who), 0)
        return count >= self.most

    def forget(self, who: str) -> None:
        """Reset the count of `who`."""
        cache.delete(self._key(who))

    def _key(self, who: str) -> str:
        return f"limit:{self.name}:{hashlib.sha256(who.encode()).hexdigest()}"
