"""Runs a few processes in the foreground, with one stream of output, and stops them together.

No child outlives the supervisor: a signal, the end of a child or an error here stops the others. On
Linux the kernel ends the children even when the supervisor is killed with -9.
"""

import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, TextIO, TypeVar

TURN_SECONDS = 0.2
GRACE_SECONDS = 10.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_PR_SET_PDEATHSIG = 1
# Loaded at import time, because nothing must be loaded between fork and exec.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None

Held = TypeVar("Held")


class StopAskedError(Exception):
    """A stop was requested with Ctrl-C or a signal. This is no failure."""


class ChildEndedError(Exception):
    """A process ended that should still run, or failed when it should succeed."""

    def __init__(self, name: str, code: int) -> None:
        ended = (
            f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        )
        super().__init__(f"{name} {ended}")
        self.code = code


def spawn(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    user: int | None = None,
    group: int | None = None,
    output: int | IO[Any] = subprocess.PIPE,
    death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a process in its own group, which gets `death_signal` when this process dies.

    In its own group it does not receive Ctrl-C from the terminal; the supervisor stops it. The
    death signal should end it at once: a worker would otherwise wait for a broker that is dying
    too. `user` and `group` are ids to run as (root only).
    """
    return subprocess.Popen(  # noqa: S603 - the commands are ours
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=user,
        group=group,
        extra_groups=None if user is None else [],
        # Other threads do not run yet, so code between fork and exec is safe.
        preexec_fn=partial(die_with, os.getpid(), death_signal),  # noqa: PLW1509
    )


def die_with(parent: int, death_signal: signal.Signals) -> None:
    """Let this process get the signal when its parent dies."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # the parent died before prctl was called
            os._exit(1)


def end(process: subprocess.Popen[bytes], how: signal.Signals, *, seconds: float) -> None:
    """Send the signal `how`; after `seconds`, kill the process and its group."""
    process.send_signal(how)
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    _kill_group(process)
    process.wait()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@dataclass
class _Child:
    name: str
    process: subprocess.Popen[bytes]
    rest: bytes = b""  # an incomplete line
    needed: bool = True


class Supervisor(AbstractContextManager["Supervisor"]):
    """Use as `with Supervisor(output) as house:`, then `run`, `start`, `wait_until`, `watch`.

    These four pass on the children's output. They raise StopAskedError when a stop is requested,
    and ChildEndedError when a child ends too early. Leaving the block stops all children.
    """

    def __init__(self, output: TextIO, *, grace: float = GRACE_SECONDS) -> None:
        self._output = output
        self._grace = grace
        self._children: list[_Child] = []
        self._watched: list[_Child] = []
        self._selector = selectors.DefaultSelector()
        self._held = ExitStack()
        self._stops_asked = 0
        self._width = 8
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Supervisor":
        for number in STOP_SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup ignores this signal on purpose
            self._handlers[number] = signal.signal(number, self._ask_to_stop)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._stop_children()
        finally:
            self._held.close()
            self._selector.close()
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stops_asked += 1

    def hold(self, service: AbstractContextManager[Held]) -> Held:
        """Enter a context manager, and leave it after the last child has stopped."""
        return self._held.enter_context(service)

    def adopt(self, name: str, process: subprocess.Popen[bytes], *, needed: bool = True) -> None:
        """Watch a process that somebody else starts and stops. If not `needed`, its end is
        ignored.
        """
        self._watched.append(_Child(name, process, needed=needed))

    def start(self, name: str, command: Sequence[str], *, environment: Mapping[str, str]) -> None:
        """Start a process that runs until the end."""
        self._watched.append(self._launch(name, command, environment))

    def run(self, name: str, command: Sequence[str], *, environment: Mapping[str, str]) -> None:
        """Run a process to its end. Raises ChildEndedError when it fails."""
        child = self._launch(name, command, environment)
        while child.process.poll() is None:
            self._turn()
        self._drain(child)
        self._children.remove(child)
        if child.process.returncode:
            raise ChildEndedError(name, child.process.returncode)

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> bool:
        """Check `ready` twice a second. Returns whether it became true within `seconds`."""
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                return False
            ask_again = time.monotonic() + 0.5
            while time.monotonic() < ask_again:
                self._turn()
        return True

    def watch(self) -> None:
        """Pass on output until an exception ends it."""
        while True:
            self._turn()

    def _launch(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> _Child:
        child = _Child(name, spawn(command, environment=environment))
        self._children.append(child)
        assert child.process.stdout is not None  # noqa: S101 - spawn's default is a pipe
        os.set_blocking(child.process.stdout.fileno(), False)
        self._selector.register(child.process.stdout, selectors.EVENT_READ, child)
        return child

    def _turn(self) -> None:
        self._pass_on(TURN_SECONDS)
        if self._stops_asked:
            raise StopAskedError
        for child in [one for one in self._watched if one.process.poll() is not None]:
            self._drain(child)
            ended = ChildEndedError(child.name, child.process.returncode)
            if child.needed:
                raise ended
            self._watched.remove(child)
            self.say(f"{ended}; all goes on without it, only slower")

    def _pass_on(self, seconds: float) -> None:
        for key, _events in self._selector.select(seconds):
            self._read(key.data)

    def _read(self, child: _Child) -> bool:
        """Pass on the output that is available. Returns False at its end."""
        stream = child.process.stdout
        if stream is None or stream.closed:
            return False
        try:
            piece = os.read(stream.fileno(), 65536)
        except BlockingIOError:
            return False
        *lines, child.rest = (child.rest + piece).split(b"\n")
        if not piece:
            lines = [child.rest] if child.rest else []
            child.rest = b""
            self._selector.unregister(stream)
            stream.close()
        for line in lines:
            self.say(line.decode(errors="replace").rstrip(), by=child.name)
        return bool(piece)

    def _drain(self, child: _Child) -> None:
        """Pass on the last output of an ended child, and end its remaining group."""
        _kill_group(child.process)
        while self._read(child):
            pass

    def say(self, text: str, *, by: str = "demo") -> None:
        with suppress(OSError):  # a closed terminal must not prevent stopping the children
            self._output.write(f"{by:<{self._width}} | {text}\n")
            self._output.flush()

    def _stop_children(self) -> None:
        asked_before = self._stops_asked
        deadline = time.monotonic() + self._grace
        running = [child for child in self._children if child.process.poll() is None]
        for child in reversed(running):
            child.process.terminate()
        while any(child.process.poll() is None for child in running):
            if time.monotonic() > deadline or self._stops_asked > asked_before:
                break
            self._pass_on(TURN_SECONDS)
        for child in self._children:
            if child.process.poll() is None:
                self.say("does not stop by itself; ended by force", by=child.name)
            _kill_group(child.process)
            child.process.wait()
            self._drain(child)
