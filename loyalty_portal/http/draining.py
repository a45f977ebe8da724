"""Whether this web process was told to stop.

It goes on serving for SHUTDOWN_DELAY seconds, and `/readyz` answers 503, so that a balancer sends
new requests elsewhere before the process closes its socket.
"""

from threading import Event

# Set by the web worker (loyalty_portal/http/web_worker.py), read by /readyz. Never cleared.
draining = Event()
