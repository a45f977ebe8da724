"""The promises of both contracts in the order of the checks, and what a broken one means.

docs/conformance.md has the same list for partners' engineers.
"""

from operations.conformance import fulfillment, loyalty
from operations.conformance.points import Check

LOYALTY: tuple[Check[loyalty.LoyaltySession], ...] = (
    Check(
        "credentials",
        "A call without credentials is rejected with 401, or 403 unauthorized.",
        "If it succeeds, anybody who finds the address can read balances and take points. With "
        "another 403 our orders are declined, or wait for people, when a key expires.",
        loyalty.credentials,
    ),
    Check(
        "balance",
        "The balance has the contract's form and is of the requested account.",
        "Pages show an old balance or none; orders can still be placed, since the debit decides.",
        loyalty.balance,
    ),
    Check(
        "debit",
        "A debit is answered with its entry.",
        "Every debit stays unknown and raises an incident: do not go live.",
        loyalty.debit,
    ),
    Check(
        "balance_moves",
        "The balance changes by the debited points.",
        "Buyers see points that they do not have, and are refused at the end of the checkout.",
        loyalty.balance_moves,
    ),
    Check(
        "replay",
        "A repeated key gets the first answer.",
        "A repeated debit takes points twice: set LOYALTY_API_IDEMPOTENT=false, and every debit "
        "without a clear answer goes to a person instead of being repeated.",
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
        "A mistake in our keys would stay unnoticed: another debit's answer would be accepted "
        "unless its points or reference differ.",
        loyalty.key_reuse,
    ),
    Check(
        "two_at_once",
        "Concurrent calls with one key make one entry, and later ones get the same answer or a "
        "conflict.",
        "A lost worker and its successor may take points twice: set LOYALTY_API_IDEMPOTENT=false.",
        loyalty.two_at_once,
    ),
    Check(
        "credit",
        "A credit is answered with its entry.",
        "Every credit stays unknown, and companies wait for their points: do not go live.",
        loyalty.credit,
    ),
    Check(
        "credit_replay",
        "A repeated credit gets the first answer.",
        "A repeated credit gives points twice, or is refused and waits for a person: set "
        "LOYALTY_API_IDEMPOTENT=false, and every unclear credit goes to a person.",
        loyalty.credit_replay,
    ),
    Check(
        "credit_cap",
        "A credit beyond the debit is refused with 422 refund_exceeds_debit.",
        "Only our own limit remains: the partner would not stop a mistaken credit.",
        loyalty.credit_cap,
    ),
    Check(
        "insufficient_points",
        "A debit of too many points is refused with insufficient_points.",
        "Buyers read “the loyalty system refused” instead of the reason; if the debit is "
        "executed, accounts can be overdrawn.",
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
        "Points could be given back that were never taken, or support gets no reason.",
        loyalty.transaction_not_found,
    ),
    Check(
        "invalid_request",
        "A request that violates the contract is refused with a 4xx.",
        "A request that can never succeed is repeated until a person looks.",
        loyalty.invalid_request,
    ),
    Check(
        "books_close",
        "After all credits the balance is the same as before.",
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
        "Every debit and credit is in the statement exactly once.",
        "Reconciliation reports false differences and misses real ones: set "
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
        "A 429 has a Retry-After.",
        "We choose the time of the next try ourselves, perhaps too early.",
        loyalty.retry_after,
    ),
)

FULFILLMENT: tuple[Check[fulfillment.FulfillmentSession], ...] = (
    Check(
        "credentials",
        "A call without credentials is rejected with 401, or 403 unauthorized.",
        "If it succeeds, anybody who finds the address can order and read codes. With another 403 "
        "our orders are refunded, or wait for people, when a key expires.",
        fulfillment.credentials,
    ),
    Check(
        "request",
        "A request is answered with its fulfillment.",
        "Every delivery stays unknown and raises an incident: do not go live.",
        fulfillment.request,
    ),
    Check(
        "replay",
        "A repeated key gets the same fulfillment.",
        "A repeated request may order and cost twice: do not go live.",
        fulfillment.replay,
    ),
    Check(
        "key_reuse",
        "A used key with another body is refused with 422 idempotency_key_reused.",
        "A mistake in our keys would stay unnoticed, and somebody else's codes would be shown.",
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
        "Concurrent calls with one key make one fulfillment, and later ones get the same answer "
        "or a conflict.",
        "A lost worker and its successor may order twice: do not go live.",
        fulfillment.two_at_once,
    ),
    Check(
        "poll",
        "A fulfillment can be read by its id.",
        "Deliveries without a webhook stay open until a person looks.",
        fulfillment.poll,
    ),
    Check(
        "find",
        "Our reference finds exactly its fulfillment, and an unknown one finds nothing.",
        "A request whose answer was lost can neither be cancelled nor followed.",
        fulfillment.find,
    ),
    Check(
        "unknown",
        "An id that does not exist is answered 404.",
        "An answer about an unknown id could be mistaken for news.",
        fulfillment.unknown,
    ),
    Check(
        "cancel",
        "A cancellation is answered with the fulfillment's new state.",
        "Cancelling never ends: buyers wait for their points until a person looks.",
        fulfillment.cancel,
    ),
    Check(
        "cancel_replay",
        "A repeated cancellation gets the same result.",
        "A cancellation whose answer was lost never ends.",
        fulfillment.cancel_replay,
    ),
    Check(
        "delivers",
        "A delivered fulfillment has one code or address for each unit.",
        "The delivery is not accepted: the order waits for a person.",
        fulfillment.delivers,
    ),
    Check(
        "final",
        "A delivered, failed or cancelled fulfillment stays so, also after a later cancellation.",
        "Points may be given back for codes that work, or kept for codes that do not.",
        fulfillment.final,
    ),
    Check(
        "resend",
        "What was delivered can be sent again, unchanged (optional).",
        "Support cannot have codes sent again by the partner: set FULFILLMENT_API_RESEND=false, "
        "and whoever ordered is asked to pass them on.",
        fulfillment.resend,
    ),
    Check(
        "webhook_signature",
        "Every webhook is signed with a secret of ours.",
        "Webhooks are rejected with 401; everything is polled, which is slower.",
        fulfillment.signature,
    ),
    Check(
        "webhook_schema",
        "Every webhook has the contract's form.",
        "Webhooks are answered 400; everything is polled, which is slower.",
        fulfillment.events,
    ),
    Check(
        "webhook_retry",
        "A webhook that was not answered 2xx is repeated with the same webhook-id.",
        "Webhooks during our restarts are lost; these deliveries are polled, which is slower.",
        fulfillment.retry,
    ),
    Check(
        "webhook_order",
        "updated_at gives the order of webhooks, and none follows the end.",
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
        "A 429 has a Retry-After.",
        "We choose the time of the next try ourselves, perhaps too early.",
        fulfillment.retry_after,
    ),
)
