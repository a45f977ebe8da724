"""The fields of the index. A change of them needs a new VERSION: the index is then built beside.

`words` holds what finds a card on the pages of a company: terms behind a letter for the lowest tier
that may see the variant that they come from, so that no word of a hidden variant finds anything.
Words of the variants that everybody sees who sees the card have the first letter.
`own` holds the terms of one product alone, for lists of products without families.
"""

import tantivy

from accounts.models import TierLevel

VERSION = 1
MOST = 2**64 - 1

TIERS = tuple(TierLevel.values)
CLASSES = tuple((tier, stock) for tier in range(len(TIERS)) for stock in (False, True))


def letter(tier: int) -> str:
    """The letter before terms of variants that need this tier at least."""
    return chr(ord("a") + tier)


def before_field(tier: int, stocked: bool) -> str:
    """The field with the points of the next cheaper variant of the same card, among those that a
    viewer of the tier sees (and that are in stock). The cheapest has 0; who is not seen, none.
    """
    return f"before_{tier}{int(stocked)}"


# Sorts by several fields in turn: the first tells nearly all apart, the last all.
NAME_KEYS = ("name_1", "name_2", "name_3", "name_4", "name_5")  # 60 letters
SORT_KEYS = ("by_points", "by_age", "by_popularity")


def build_schema() -> tantivy.Schema:
    """The schema of the index."""
    builder = tantivy.SchemaBuilder()
    for name in ("key", "sku", "group", "family"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in ("category", "product_type", "brand"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic", fast=True)
    builder.add_text_field("flags", tokenizer_name="whitespace", index_option="basic")
    for name in ("words", "own"):
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="basic")
    for name in ("name", "brand_words", "more"):
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field("shown", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("position", stored=True, tokenizer_name="raw", index_option="basic")
    for name in ("points", "id_high", "id_low", *NAME_KEYS, *SORT_KEYS):
        builder.add_unsigned_field(name, fast=True)
    builder.add_unsigned_field("group_key", fast=True)
    for tier, stocked in CLASSES:
        builder.add_unsigned_field(before_field(tier, stocked), fast=True)
    return builder.build()


SCHEMA = build_schema()
