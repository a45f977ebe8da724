"""Text messages that go with letters: where a company wants them, to people who gave a number."""

from accounts.models import LetterTopic
from accounts.selectors import text_goes_to
from redemption.models import Letter, Sms


def write(letter: Letter, topic: LetterTopic | None) -> None:
    """Write the text message that goes with a letter, if anybody gets one; it is sent later. To be
    called in the transaction that records what became of the letter, so that each letter has one
    at most.
    """
    if topic is None or letter.again_of_id:
        return
    person = text_goes_to(company=letter.order.company, topic=topic, to=letter.to)
    if person is not None:
        rows = [Sms(letter=letter, user_id=person)]
        Sms.objects.bulk_create(rows, ignore_conflicts=True)
