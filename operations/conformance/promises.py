"""The promises of both contracts in the order of the checks, and what a broken one means.

docs/conformance.md has the same list for partners' engineers.
"""

from operations.conformance import fulfillment, loyalty
from operations.conformance.points import Check

LOYALTY: tuple[Check[loyalty.LoyaltySession], ...] = (
    Check(
        "credentials",
        "Who shows no credentials is turned away with 401, or 403 unauthorized.",
        "With a success anybody who finds the address could read balances and take points; with "
        "another 403 our orders would be declined, or wait for people, once a key runs out.",
        loyalty.credentials,
    ),
    Check(
        "balance",
        "The balance is told as the contract has it, for the account that was asked about.",
        "Pages show an old balance or none; orders can still be placed, since the debit decides.",
        loyalty.balance,
    ),
    Check(
        "debit",
        "A debit is answered with the entry that was asked for.",
        "Every debit stays unknown and raises an incident: do not go live.",
        loyalty.debit,
    ),
    Check(
        "balance_moves",
        "The balance moves by what was taken.",
        "Buyers see points that they do not have, and are refused at the end of the checkout.",
        loyalty.balance_moves,
    ),
    Check(
        "replay",
        "The same key again gives the first answer again.",
        "A repeated debit takes points twice: set LOYALTY_API_IDEMPOTENT=false, and every debit "
        "without a clear answer goes to a person instead of being asked again.",
        loyalty.replay,
    ),
    Check(
        "one_entry",
        "One key makes one entry in the ledger.",
        "Points are taken twice however the answers look: set LOYALTY_API_IDEMPOTENT=false.",
        loyalty.one_entry,
    ),
    Check(
        "key_reuse",
        "A used key with another body is refused with 422 idempotency_key_reused.",
        "A mistake in our keys would go unnoticed: the answer of another debit would be taken for "
        "this one's, unless its points or reference differ.",
        loyalty.key_reuse,
    ),
    Check(
        "two_at_once",
        "Several at once with one key make one entry, and who comes second is told so.",
        "A lost worker and its successor may take points twice: set LOYALTY_API_IDEMPOTENT=false.",
        loyalty.two_at_once,
    ),
    Check(
        "credit",
        "A credit is answered with the entry that was asked for.",
        "Every credit stays unknown, and companies wait for their points: do not go live.",
        loyalty.credit,
    ),
    Check(
        "credit_replay",
        "The same credit again gives the first answer again.",
        "A repeated credit gives points twice, or is refused and waits for a person: set "
        "LOYALTY_API_IDEMPOTENT=false, and every unclear credit goes to a person.",
        loyalty.credit_replay,
    ),
    Check(
        "credit_cap",
        "More than was taken is not given back: 422 refund_exceeds_debit.",
        "Our own limit is then the only one: nobody stops points that are given back by mistake.",
        loyalty.credit_cap,
    ),
    Check(
        "insufficient_points",
        "Too few points are refused with insufficient_points.",
        "Buyers read “the loyalty system refused” and not that the points were short; if the debit "
        "is carried out, accounts can be overdrawn.",
        loyalty.insufficient_points,
    ),
    Check(
        "account_not_found",
        "An account that does not exist is refused with account_not_found.",
        "Buyers and support are not told that the account is not set up.",
        loyalty.account_not_found,
    ),
    Check(
        "transaction_not_found",
        "A credit of a debit that does not exist is refused with transaction_not_found.",
        "Points could be given back that were never taken, or support is told no reason.",
        loyalty.transaction_not_found,
    ),
    Check(
        "invalid_request",
        "What breaks the contract is refused with a 4xx.",
        "A request that can never succeed would be asked again until a person looks.",
        loyalty.invalid_request,
    ),
    Check(
        "books_close",
        "After everything was given back the balance is what it was.",
        "Answers and ledger differ: have the partner explain the account's entries first.",
        loyalty.books_close,
    ),
    Check(
        "statement",
        "The statement can be read, page by page.",
        "Reconciliation cannot read it: set LOYALTY_API_STATEMENT=false and upload a CSV instead.",
        loyalty.statement,
    ),
    Check(
        "statement_complete",
        "Every movement is in the statement exactly once.",
        "Reconciliation reports differences that are none, and misses those that are: set "
        "LOYALTY_API_STATEMENT=false.",
        loyalty.statement_complete,
    ),
    Check(
        "statement_order",
        "The statement runs from the oldest to the newest.",
        "A page that is read while points move may hide an entry from reconciliation.",
        loyalty.statement_order,
    ),
    Check(
        "problems",
        "Every error is application/problem+json with status, title and code.",
        "Such a refusal counts as no clear answer: the order waits for a person instead of being "
        "declined.",
        loyalty.problems,
    ),
    Check(
        "retry_after",
        "429 says with Retry-After when to come again.",
        "We come again when we think fit, perhaps too early, and are turned away once more.",
        loyalty.retry_after,
    ),
)

FULFILLMENT: tuple[Check[fulfillment.FulfillmentSession], ...] = (
    Check(
        "credentials",
        "Who shows no credentials is turned away with 401, or 403 unauthorized.",
        "With a success anybody who finds the address could order, and read codes; with another "
        "403 our orders would be given back, or wait for people, once a key runs out.",
        fulfillment.credentials,
    ),
    Check(
        "request",
        "A request is answered with the fulfillment that was asked for.",
        "Every delivery stays unknown and raises an incident: do not go live.",
        fulfillment.request,
    ),
    Check(
        "replay",
        "The same key again answers the same fulfillment.",
        "A repeated request may order and cost twice: do not go live.",
        fulfillment.replay,
    ),
    Check(
        "key_reuse",
        "A used key with another body is refused with 422 idempotency_key_reused.",
        "A mistake in our keys would go unnoticed, and somebody else's codes would be shown.",
        fulfillment.key_reuse,
    ),
    Check(
        "duplicate_reference",
        "A used reference under another key is refused with 422 duplicate_reference.",
        "The second line of defence against ordering twice is missing.",
        fulfillment.duplicate_reference,
    ),
    Check(
        "two_at_once",
        "Several at once with one key make one fulfillment, and who comes second is told so.",
        "A lost worker and its successor may order twice: do not go live.",
        fulfillment.two_at_once,
    ),
    Check(
        "poll",
        "How a fulfillment stands is told by its id.",
        "What is never called back stays open until a person looks.",
        fulfillment.poll,
    ),
    Check(
        "find",
        "By our reference the one fulfillment is found, and nothing by an unknown one.",
        "A request whose answer was lost can neither be cancelled nor followed.",
        fulfillment.find,
    ),
    Check(
        "unknown",
        "An id that does not exist is answered 404.",
        "An answer about nothing could be taken for news.",
        fulfillment.unknown,
    ),
    Check(
        "cancel",
        "A cancellation is answered with the fulfillment as it then is.",
        "Cancelling never ends: buyers wait for their points until a person looks.",
        fulfillment.cancel,
    ),
    Check(
        "cancel_replay",
        "The same cancellation again is answered with the same end.",
        "A cancellation whose answer was lost never ends.",
        fulfillment.cancel_replay,
    ),
    Check(
        "delivers",
        "What is delivered has one code or address for each unit.",
        "The delivery is not believed: the order waits for a person.",
        fulfillment.delivers,
    ),
    Check(
        "final",
        "What is delivered, failed or cancelled stays so, also when it is cancelled then.",
        "Points may be given back for codes that work, or kept for codes that do not.",
        fulfillment.final,
    ),
    Check(
        "webhook_signature",
        "Every webhook is signed with a secret of ours.",
        "Webhooks are answered 401 and not believed; everything is polled, which is slower.",
        fulfillment.signature,
    ),
    Check(
        "webhook_schema",
        "Every webhook is as the contract has it.",
        "Webhooks are answered 400; everything is polled, which is slower.",
        fulfillment.events,
    ),
    Check(
        "webhook_retry",
        "A webhook that was not answered 2xx comes again under the same webhook-id.",
        "What is sent while we restart is lost; it is polled, which is slower.",
        fulfillment.retry,
    ),
    Check(
        "webhook_order",
        "By updated_at it can be told which news is newer, and nothing comes after the end.",
        "Contradictory news goes to a person.",
        fulfillment.order,
    ),
    Check(
        "problems",
        "Every error is application/problem+json with status, title and code.",
        "Such a refusal counts as no clear answer: it is asked again until a person looks.",
        fulfillment.problems,
    ),
    Check(
        "retry_after",
        "429 says with Retry-After when to come again.",
        "We come again when we think fit, perhaps too early, and are turned away once more.",
        fulfillment.retry_after,
    ),
)
