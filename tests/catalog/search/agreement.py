"""Random catalogues and questions, and PostgreSQL's answers to them."""

import random
import re
import uuid
from datetime import datetime, timedelta
from typing import Any

from anyascii import anyascii
from django.db import connection

from accounts.models import TierLevel
from catalog.models import Category, Family, Product, ProductType, StockStatus
from catalog.search.questions import CardQuestion
from catalog.selectors import Sort

BRANDS = ["", "Kiln", "Åre", "Bosch", "Würth", "Zeta & Co"]
_ANSWER = """
    WITH marked AS (
        SELECT product.*, coalesce(family.name, product.name) AS family_name,
            concat_ws(' ', coalesce(product.family_id, product.id), category_id, product_type, brand)
                AS card,
            is_active AND coalesce(available_from <= %(now)s, true)
                AND coalesce(available_until > %(now)s, true) AS offered
        FROM product LEFT JOIN catalog_family family ON family.id = product.family_id
    ), told AS (
        SELECT *, max(created_at) OVER one AS card_created, sum(popularity) OVER one AS card_popularity,
            count(*) FILTER (WHERE offered) OVER one AS offers
        FROM marked WINDOW one AS (PARTITION BY card)
    )
    SELECT DISTINCT ON (card) id, CASE WHEN offers > 1 THEN family_name ELSE name END, points_cost,
        card_created, card_popularity, category_id, product_type, brand
    FROM told
    WHERE offered AND minimum_tier = ANY(%(tiers)s)
        AND (NOT %(in_stock)s OR stock_status <> 'OUT')
        AND points_cost >= %(low)s AND points_cost <= %(high)s
    ORDER BY card, points_cost, variant_position, id
"""


class Dice:
    """Makes random rows and questions, the same ones for the same seed."""

    def __init__(self, seed: int, now: datetime) -> None:
        self.random = random.Random(seed)
        self.now = now
        self.categories = [
            Category.objects.create(name=f"Shelf {n}", slug=f"shelf-{n}") for n in range(5)
        ]

    def families(self, count: int) -> list[Family]:
        return Family.objects.bulk_create(
            Family(name=f"{self._name()} {n % 3}", code=f"f-{uuid.uuid4()}") for n in range(count)
        )

    def _name(self) -> str:
        words = ["Ärmel", "Arm", "Zebra mug", "zebra", "Straße", "日本", "Öl", "Über", "a"]
        long = "A very long name that is the same in its first letters "
        return self.random.choice([*words, long + "x", long + "y"])

    def product(self, families: list[Family], **fixed: Any) -> Product:
        roll = self.random
        family = roll.choice([None, *families]) if families else None
        values: dict[str, Any] = {
            "sku": f"S-{uuid.uuid4()}",
            "slug": f"s-{uuid.uuid4()}",
            "name": self._name(),
            "brand": roll.choice(BRANDS),
            "category": roll.choice(self.categories),
            "family": family,
            "variant_position": roll.randrange(3),
        }
        return Product(**{**values, **self.offer(), **fixed})

    def offer(self) -> dict[str, Any]:
        """What changes most."""
        roll = self.random
        return {
            "product_type": roll.choice(ProductType.values),
            "points_cost": roll.choice(
                [1, 2, 100, 100, 500, 900, 2_147_483_647, roll.randrange(1, 3000)]
            ),
            "stock_status": roll.choice(StockStatus.values),
            "minimum_tier": roll.choice([TierLevel.BRONZE, *TierLevel.values]),
            "is_active": roll.random() < 0.9,
            "available_from": roll.choice(
                [None, None, self.now - timedelta(hours=1), self.now + timedelta(hours=1)]
            ),
            "available_until": roll.choice(
                [None, None, self.now + timedelta(hours=2), self.now - timedelta(minutes=1)]
            ),
            "popularity": roll.choice([0, 0, 3, 50]),
        }

    def question(self) -> tuple[CardQuestion, Sort]:
        roll = self.random
        low = roll.choice([None, None, 0, 1, 100, 101, 500, 5_000])
        high = roll.choice([None, None, 1, 100, 499, 900, 10_000, 2_147_483_647])
        return CardQuestion(
            tier_level=roll.choice(TierLevel.values),
            categories=tuple(
                c.pk.hex for c in roll.sample(self.categories, roll.choice([0, 0, 1, 2]))
            ),
            product_types=tuple(roll.sample(ProductType.values, roll.choice([0, 0, 1, 2]))),
            brands=tuple(roll.sample(BRANDS[1:], roll.choice([0, 0, 1, 3]))),
            points_from=low,
            points_to=high,
            in_stock=roll.random() < 0.4,
        ), roll.choice([sort for sort in Sort if sort is not Sort.BEST])


def _name_key(name: str) -> str:
    plain = anyascii(name).lower()
    return re.sub("[^a-z0-9]+", " ", plain).strip()[:60]


def answer_of_postgresql(
    question: CardQuestion, sort: Sort, now: datetime
) -> tuple[list[uuid.UUID], dict[str, Any]]:
    """All cards in order, and the counts."""
    with connection.cursor() as cursor:
        cursor.execute(
            _ANSWER,
            {
                "now": now,
                "tiers": TierLevel.up_to(question.tier_level),
                "in_stock": question.in_stock,
                "low": question.points_from or 0,
                "high": 2**31 - 1 if question.points_to is None else question.points_to,
            },
        )
        rows = cursor.fetchall()
    low = {row[0]: row[0].int % 2**64 for row in rows}
    keys: dict[Sort, Any] = {
        Sort.NAME: lambda row: (_name_key(row[1]), low[row[0]]),
        Sort.CHEAPEST: lambda row: (row[2], low[row[0]] % 2**32, low[row[0]]),
        Sort.DEAREST: lambda row: (-row[2], -(low[row[0]] % 2**32), -low[row[0]]),
        Sort.NEWEST: lambda row: (-row[3].timestamp(), -(low[row[0]] % 2**12), -low[row[0]]),
        Sort.POPULAR: lambda row: (-row[4], -(low[row[0]] % 2**32), -low[row[0]]),
    }
    asked = {5: question.categories, 6: question.product_types, 7: question.brands}

    def matches(row: Any, *, but: int = 0) -> bool:
        return all(
            place == but or not chosen or _text(row[place]) in chosen
            for place, chosen in asked.items()
        )

    shown = sorted((row for row in rows if matches(row)), key=keys[sort])
    counts: dict[str, Any] = {"total": len(shown)}
    for place, name in ((5, "categories"), (6, "types"), (7, "brands")):
        told: dict[str, int] = {}
        for row in rows:
            if matches(row, but=place) and row[place] != "":
                told[_text(row[place])] = told.get(_text(row[place]), 0) + 1
        counts[name] = told
    return [row[0] for row in shown], counts


def _text(value: Any) -> str:
    return value.hex if isinstance(value, uuid.UUID) else str(value)
