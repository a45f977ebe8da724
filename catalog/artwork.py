"""Pictures for products that have no photograph: drawn, varied, and always the same for a key.

A picture is a motif from catalog/drawings before a scene, in one of a dozen palettes. Which of
each is decided by a hash of the product's key, so that the same product looks the same in every
process and after every deploy.
"""

import re
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

DRAWINGS = Path(__file__).parent / "drawings"
LONGEST_LABEL = 26  # characters that fit the card


class Palette(NamedTuple):
    """The colours of a picture: the scene's two, then those that a drawing is drawn in."""

    wall: str
    back: str
    thing: str
    thing_shade: str
    second: str
    second_shade: str
    light: str
    light_shade: str
    dark: str


# What the drawings are drawn in (catalog/drawings/README.md), to be exchanged for a palette's.
DRAWN_IN = ("#3f6b57", "#2c4f41", "#e0a458", "#bd7f34", "#f4efe2", "#ddd5c0", "#22332b")
PALETTES = (
    Palette("#d3dbc9", "#bccab0", *DRAWN_IN),
    Palette("#eed6c6", "#e2bda5", "#b9573a", "#8f3f29", "#2f6b70", "#21504f", "#fbf1e6", "#ecd9c6", "#3b211a"),
    Palette("#ccd7e4", "#b0c0d4", "#36558f", "#263f6e", "#e58f65", "#c26a42", "#f5f1e8", "#d9d6cc", "#1d2942"),
    Palette("#f1e0b6", "#e5cc8b", "#c4821a", "#965f12", "#34536b", "#24394b", "#fff8e7", "#eedfbd", "#3d2c0e"),
    Palette("#e1d1de", "#cdb3c6", "#7a4069", "#58294b", "#e3b23c", "#ba8a1f", "#f8eff3", "#e0d0da", "#331a2d"),
    Palette("#c7dedb", "#a6c8c4", "#1f7a78", "#145756", "#f0855d", "#c9623d", "#f2f5ee", "#d3ddd3", "#12302f"),
    Palette("#f1d5d3", "#e4b4b2", "#b4465a", "#882e42", "#44716c", "#2f544f", "#fdf3ee", "#ecd6cf", "#3a161f"),
    Palette("#dad8d2", "#c3c0b7", "#4a5966", "#333f4a", "#d9603b", "#ad4526", "#f6f4ee", "#dcd8cd", "#20262c"),
    Palette("#e0e1bf", "#caccA0", "#6b7a2c", "#4d591d", "#b5533c", "#8c3b29", "#faf7e6", "#e2deC2", "#2a3012"),
    Palette("#39415f", "#4a5479", "#e8b563", "#c18d3d", "#e07a5f", "#b65a42", "#f6eedf", "#dacdb4", "#1c2136"),
    Palette("#2d4a43", "#3e6259", "#ecd0a8", "#cfa878", "#e2725b", "#b95440", "#faf3e6", "#dfd0b6", "#152621"),
    Palette("#4c3047", "#64425e", "#e6a9a3", "#c58079", "#f0c66b", "#cb9f43", "#fbf0ea", "#e1cfc6", "#2a1727"),
)
# What a scene puts behind the thing; {wall} and {back} are the palette's.
SCENES = (
    '<circle cx="320" cy="246" r="196" fill="{back}"/><path d="M0 396h640v84H0z" fill="{back}" opacity=".7"/>',
    '<path d="M132 480V232a188 188 0 0 1 376 0v248z" fill="{back}"/>',
    '<path d="M0 330h640v150H0z" fill="{back}"/><circle cx="506" cy="112" r="62" fill="{back}" opacity=".75"/>',
    '<path d="M0 480V150L640 0v480z" fill="{back}" opacity=".8"/>',
    '<g fill="none" stroke="{back}" stroke-width="34"><circle cx="320" cy="396" r="150"/>'
    '<circle cx="320" cy="396" r="226"/><circle cx="320" cy="396" r="302"/></g>'
    '<path d="M0 396h640v84H0z" fill="{back}"/>',
    '<path d="M72 60h200v420H72zM368 0h200v480H368z" fill="{back}" opacity=".55"/>'
    '<path d="M0 396h640v84H0z" fill="{back}"/>',
)
# The first word found in a category's name decides the family of drawings.
FAMILIES = (
    ("gift", ("gift", "voucher", "card", "streaming", "subscription", "prepaid")),
    ("audio", ("audio", "sound", "music", "headphone", "speaker")),
    ("books", ("book", "reading", "magazine")),
    ("home", ("home", "kitchen", "living", "furniture", "cook")),
    ("travel", ("travel", "luggage", "flight", "hotel")),
    ("sport", ("sport", "fitness", "outdoor", "bike", "cycling")),
    ("wellness", ("well", "health", "beauty", "care", "spa")),
    ("office", ("office", "desk", "stationery", "work")),
    ("toys", ("toy", "game", "kid", "child", "play")),
    ("food", ("food", "drink", "wine", "coffee", "gourmet")),
    ("experiences", ("experience", "event", "ticket", "adventure", "leisure")),
    ("fashion", ("fashion", "cloth", "wear", "accessor", "bag")),
    ("garden", ("garden", "plant", "flower", "diy")),
    ("electronics", ("electronic", "tech", "computer", "phone", "camera", "gadget")),
)
UNTURNED = ("gift", "experiences")  # text and landscapes are not mirrored


def product_artwork(*, category: str, key: str, label: str = "") -> str:
    """Draw the picture of a product as SVG text, 640 by 480.

    `category` is the category's name or slug; an unknown one gets a wrapped box. `key` (the
    SKU) decides motif, scene and colours. `label` names the picture, and is what a gift card
    has printed on it.
    """
    dice = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")
    family = _family(category.lower())
    motifs = _drawings()[family]
    dice, motif = divmod(dice, len(motifs))
    dice, scene = divmod(dice, len(SCENES))
    dice, tint = divmod(dice, len(PALETTES))
    drawing = _painted(family, motif, tint)
    if family == "gift":
        shown, size = _fitting(label or "Gift card")
        drawing = drawing.replace("LABELSIZE", str(size)).replace("LABEL", escape(shown))
    elif dice % 2 and family not in UNTURNED:
        drawing = f'<g transform="matrix(-1 0 0 1 640 0)">{drawing}</g>'
    palette = PALETTES[tint]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 480" width="640" height="480" role="img">'
        f"<title>{escape(label)}</title>"
        f'<path fill="{palette.wall}" d="M0 0h640v480H0z"/>'
        f"{SCENES[scene].format(back=palette.back)}{drawing}</svg>"
    )


def _family(category: str) -> str:
    for family, words in FAMILIES:
        if any(word in category for word in words):
            return family
    return "anything"


@lru_cache(maxsize=1)
def _drawings() -> dict[str, list[str]]:
    """Read what is inside each drawing, by family."""
    families: dict[str, list[str]] = {}
    for path in sorted(DRAWINGS.glob("*-*.svg")):
        inside = path.read_text(encoding="utf-8").partition(">")[2].rpartition("</svg>")[0]
        families.setdefault(path.stem.partition("-")[0], []).append(inside.replace("\n", ""))
    return families


@lru_cache(maxsize=512)
def _painted(family: str, motif: int, tint: int) -> str:
    colours = dict(zip(DRAWN_IN, PALETTES[tint][2:], strict=True))
    return re.sub(
        "|".join(DRAWN_IN), lambda found: colours[found.group()], _drawings()[family][motif]
    )


def _fitting(label: str) -> tuple[str, int]:
    """Shorten a label to what a card can bear, and say how large it can be set (px)."""
    words = label.strip()
    if len(words) > LONGEST_LABEL:
        words = words[: LONGEST_LABEL - 1].rstrip() + "…"
    return words, min(38, 540 // max(len(words), 1))
