"""The code of docs/api/events.md verifies what the portal sends, and nothing else."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from redemption.models import EventType
from redemption.webhooks_out.delivering import RETRIES
from redemption.webhooks_out.services import rotate_secret
from tests.redemption.webhooks_out.receiver import OK, Receiver, deliver, owner_of
from tests.redemption.world import World

GUIDE = (Path(__file__).parents[3] / "docs/api/events.md").read_text()


@pytest.fixture
def is_genuine() -> Callable[..., bool]:
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    room: dict[str, Any] = {}
    exec(code, room)
    found: Callable[..., bool] = room["is_genuine"]
    return found


@pytest.mark.django_db(transaction=True)
def test_the_code_takes_our_messages_and_refuses_others(
    world: World, is_genuine: Callable[..., bool]
) -> None:
    with Receiver(OK).connect(world) as receiver:
        fresh = rotate_secret(receiver.endpoint.pk, by=owner_of(world)).secret
        world.place((world.product(), 1))
        deliver()
    (request,) = receiver.requests
    headers = {name: str(request.headers[name]) for name in request.headers}
    assert is_genuine(request.body, headers, receiver.secret)
    assert is_genuine(request.body, headers, fresh)
    assert not is_genuine(request.body + b" ", headers, fresh)
    assert not is_genuine(request.body, headers | {"webhook-id": "msg_other"}, fresh)
    late = str(int(time.time()) - 301)
    assert not is_genuine(request.body, headers | {"webhook-timestamp": late}, fresh)
    assert not is_genuine(request.body, headers, "whsec_" + "A" * 43 + "=")


def test_the_guide_names_every_type_and_when_a_message_comes_again() -> None:
    assert [each for each in EventType.values if f"`{each}`" not in GUIDE] == []
    assert RETRIES == (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
    assert "5 seconds, 5 minutes, 30 minutes, 2, 5, 10 and 10 hours" in GUIDE
