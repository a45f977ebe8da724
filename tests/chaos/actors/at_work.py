"""What all have in common who are at work beside the buyers."""

import threading


class AtWork(threading.Thread):
    """Works until it is asked to finish, when `_over` is set. Its `run` says what it does then."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._over = threading.Event()

    def finish(self) -> None:
        """Have it do what is left, and wait until it has stopped."""
        self._over.set()
        self.join()
