"""How often something may fail in a while: counters in Redis, or without it in each process."""

import hashlib
from dataclasses import dataclass

from django.core.cache import cache


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` in a window of `seconds`, which begins with the first of them."""

    name: str
    most: int
    seconds: int

    def take(self, who: str) -> bool:
        """Count one for `who`, whatever comes of it; False when it is one too many."""
        key = self._key(who)
        cache.add(key, 0, timeout=self.seconds)
        try:
            count: int = cache.incr(key)
        except ValueError:  # its window ended just now
            cache.add(key, 1, timeout=self.seconds)
            count = 1
        return count <= self.most

    def is_reached(self, who: str) -> bool:
        """Whether one more would be too many. Counts nothing."""
        count: int = cache.get(self._key(who), 0)
        return count >= self.most

    def forget(self, who: str) -> None:
        """Begin anew for `who`."""
        cache.delete(self._key(who))

    def _key(self, who: str) -> str:
        return f"limit:{self.name}:{hashlib.sha256(who.encode()).hexdigest()}"
