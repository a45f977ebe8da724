"""Triggers that a room puts on its tables, so that every writer of them tells the feed."""

from collections.abc import Sequence

import pgtrigger


def noted(
    source: str,
    *,
    company: str,
    operation: pgtrigger.Operation,
    condition: pgtrigger.Condition | None = None,
    name: str = "noted_for_the_feed",
) -> pgtrigger.Trigger:
    """Note each such row of a table in the outbox, by its id, if its company has a follower.

    `company` is SQL: the id of the row's company. Without a follower this costs one read by an
    index more than finding the company does (docs/decisions/0057-one-feed-of-changes.md).
    """
    return pgtrigger.Trigger(
        name=name,
        when=pgtrigger.After,
        operation=operation,
        condition=condition,
        declare=[("whose", "uuid")],
        func=f"""
            whose := {company};
            IF EXISTS (
                SELECT FROM feed_follower
                WHERE company = whose AND (until IS NULL OR until > now())
            ) THEN
                INSERT INTO feed_outbox (source, key, company) VALUES ('{source}', NEW.id, whose);
            END IF;
            RETURN NULL;
        """,  # noqa: S608 - written by a developer, not entered
    )


def noted_with_changes(source: str, *, company: str, of: Sequence[str]) -> list[pgtrigger.Trigger]:
    """Note new rows, and those in which a column `of` changes; see `noted`."""
    changed = pgtrigger.AnyChange(*of)
    return [
        noted(source, company=company, operation=pgtrigger.Insert),
        noted(
            source,
            company=company,
            operation=pgtrigger.Update,
            condition=changed,
            name="changes_noted_for_the_feed",
        ),
    ]


def noted_for_each(source: str, *, rows: str, when_changed: str) -> pgtrigger.Trigger:
    """Note rows of other tables when a column of this one changes, each if its company has a
    follower. `rows` is SQL that selects their `id` and `company_id`.
    """
    return pgtrigger.Trigger(
        name="others_noted_for_the_feed",
        when=pgtrigger.After,
        operation=pgtrigger.Update,
        condition=pgtrigger.AnyChange(when_changed),
        func=f"""
            INSERT INTO feed_outbox (source, key, company)
            SELECT '{source}', theirs.id, theirs.company_id FROM ({rows}) theirs
            WHERE EXISTS (
                SELECT FROM feed_follower
                WHERE company = theirs.company_id AND (until IS NULL OR until > now())
            );
            RETURN NULL;
        """,  # noqa: S608 - written by a developer, not entered
    )


def followed(*, company: str, until: str, by: Sequence[str]) -> pgtrigger.Trigger:
    """Make each row of a table a follower of its company. `company` and `until` are SQL: the id of
    the company, and until when it follows. `by`: the columns that the latter depends on.
    """
    return pgtrigger.Trigger(
        name="follows_the_feed",
        when=pgtrigger.After,
        operation=pgtrigger.Insert | pgtrigger.UpdateOf(*by),  # type: ignore[no-untyped-call]
        func=f"""
            INSERT INTO feed_follower (key, company, until) VALUES (NEW.id, {company}, {until})
            ON CONFLICT (key) DO UPDATE SET until = EXCLUDED.until
            WHERE feed_follower.until IS DISTINCT FROM EXCLUDED.until;
            RETURN NULL;
        """,  # noqa: S608 - written by a developer, not entered
    )
