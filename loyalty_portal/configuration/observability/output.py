"""Writes log lines to a pipe or socket without waiting for its reader for ever.

A pipe holds 64 KiB. When whoever reads it hangs, a write waits until they go on, and with it, one
after another, every thread that logs. A portal that answers is worth more than its log, so a line
waits for PATIENCE at most. Then lines are lost, and counted, until there is room again.
"""

import logging
import os
import select
import socket
import stat
import sys
import time
from collections.abc import Callable
from typing import Any

PATIENCE = 1.0  # seconds that the first line waits; those after it do not wait


class Output(logging.StreamHandler[Any]):
    """A handler for stdout. A file, or a terminal, is written to as usual."""

    def __init__(self, stream: Any = None) -> None:
        super().__init__(stream or sys.stdout)
        self._of: Any = None  # the stream of `_send`
        self._send: Callable[[bytes], int] | None = None
        self._lost = 0
        self._torn = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
            if self._sender() is None:
                self.stream.write(text + self.terminator)
                self.flush()
                return
            before = [self.format(self._about_lost())] if self._lost else []
            patience = 0.0 if self._lost else PATIENCE
            whole = self._write("\n".join([*before, text, ""]).encode(), patience)
            self._lost = 0 if whole else self._lost + 1
        except Exception:  # noqa: BLE001 - as logging's own handlers do
            self.handleError(record)

    def _about_lost(self) -> logging.LogRecord:
        told = "log lines were lost: nobody read them"
        record = logging.LogRecord(__name__, logging.WARNING, __file__, 0, told, (), None)
        record.lines = self._lost
        return record

    def _write(self, data: bytes, patience: float) -> bool:
        """Write the data; returns whether all of it was written in time."""
        send = self._sender()
        if send is None:
            return False
        if self._torn:
            data = b"\n" + data
        ends_at = time.monotonic() + patience
        left = memoryview(data)
        while left:
            try:
                left = left[send(left) :]
            except BlockingIOError:
                if not self._room(ends_at - time.monotonic()):
                    break
            except OSError:  # nobody reads any more
                break
        # A line that was cut in its middle ends before the next one.
        self._torn = self._torn if len(left) == len(data) else bool(left)
        return not left

    def _room(self, seconds: float) -> bool:
        waiting = select.poll()
        waiting.register(self.stream.fileno(), select.POLLOUT)
        return seconds > 0 and bool(waiting.poll(seconds * 1000))

    def _sender(self) -> Callable[[Any], int] | None:
        """How to send bytes without waiting; None for what never makes us wait."""
        if self._of is not self.stream:
            self._of, self._send = self.stream, _sender(self.stream)
        return self._send


def _sender(stream: Any) -> Callable[[Any], int] | None:
    try:
        number = stream.fileno()
        mode = os.fstat(number).st_mode
    except (AttributeError, OSError, ValueError):
        return None  # a stream in memory
    if stat.S_ISSOCK(mode):  # systemd's journal
        link = socket.socket(fileno=os.dup(number))
        return lambda data: link.send(data, socket.MSG_DONTWAIT)
    if not stat.S_ISFIFO(mode):
        return None
    try:
        # Opened anew, because O_NONBLOCK on the pipe that we were given would hold for everybody
        # who has it, such as whoever writes to stderr.
        own = os.open(f"/proc/self/fd/{number}", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # another user's pipe, or no /proc
        return None
    return lambda data: os.write(own, data)
