"""Draws SVG pictures for products that have no photograph.

A picture is a motif from drawings/ in front of a scene, in one of a dozen palettes. A hash
of the product's key chooses among them, so a product looks the same in every process and after
every deploy.
"""

import re
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

DRAWINGS = Path(__file__).with_name("drawings")
LONGEST_LABEL = 26  # characters that fit on the card


class Palette(NamedTuple):
    """The colours of one picture (drawings/README.md lists what each colour is for)."""

    wall: str
    back: str
    thing: str
    thing_shade: str
    second: str
    second_shade: str
    light: str
    light_shade: str
    dark: str


# One palette a line, its nine colours in the order of Palette's fields. The drawings use the
# colours of the first line.
PALETTES = [
    Palette(*(f"#{colour}" for colour in line.split()))
    for line in """\
d3dbc9 bccab0 3f6b57 2c4f41 e0a458 bd7f34 f4efe2 ddd5c0 22332b
eed6c6 e2bda5 b9573a 8f3f29 2f6b70 21504f fbf1e6 ecd9c6 3b211a
ccd7e4 b0c0d4 36558f 263f6e e58f65 c26a42 f5f1e8 d9d6cc 1d2942
f1e0b6 e5cc8b c4821a 965f12 34536b 24394b fff8e7 eedfbd 3d2c0e
e1d1de cdb3c6 7a4069 58294b e3b23c ba8a1f f8eff3 e0d0da 331a2d
c7dedb a6c8c4 1f7a78 145756 f0855d c9623d f2f5ee d3ddd3 12302f
f1d5d3 e4b4b2 b4465a 882e42 44716c 2f544f fdf3ee ecd6cf 3a161f
dad8d2 c3c0b7 4a5966 333f4a d9603b ad4526 f6f4ee dcd8cd 20262c
e0e1bf cacca0 6b7a2c 4d591d b5533c 8c3b29 faf7e6 e2dec2 2a3012
39415f 4a5479 e8b563 c18d3d e07a5f b65a42 f6eedf dacdb4 1c2136
2d4a43 3e6259 ecd0a8 cfa878 e2725b b95440 faf3e6 dfd0b6 152621
4c3047 64425e e6a9a3 c58079 f0c66b cb9f43 fbf0ea e1cfc6 2a1727""".splitlines()
]
# The family of drawings comes from the first of these words that the category's name contains.
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
UNTURNED = ("gift", "experiences")  # never mirrored: text and landscapes
DARK_TEXT_ABOVE = 400  # a threshold for the sum of a colour's red, green and blue


# In these families any drawing fits any product, so the product's name may match none.
ALL_ALIKE = ("books",)
NEUTRAL = "anything"
# Words that mark an accessory: a bicycle helmet must not be drawn as a bicycle.
_OTHERS = """helmet stand holder cover sleeve strap cable adapter charger rack pump lock cleaner
grinder maker machine mug tong hose glove scale tag sheet case gun"""
ANOTHER_THING = frozenset(_OTHERS.split())
_REST = re.compile(r"(?:,|\b(?:with|without|for)\b).*", re.IGNORECASE | re.DOTALL)
# Colour words in a variant's name. The first one found colours the motif.
_COLOURS = """black:2b2d31 ink:26324d night:232a45 navy:27365e graphite:4a4e55 slate:55606b
grey:8a8d91 gray:8a8d91 silver:b9bec4 steel:9aa4ad zinc:a3aab0 stone:a9a294
white:f3f1ea chalk:ece6d8 cream:f0e3c4 oat:d9c7a3 natural:d8c49c sand:d6bd8c
beige:d8c8a8 brass:c49a43 gold:cfa53f sun:efb93a yellow:edc02f mustard:c9972c
orange:e0813a coral:ee7d66 clay:bd6a4a brick:a84b38 rust:a9502c red:c53a37
pink:e59aa8 plum:6f3a5d purple:6c4a94 violet:7a5aa6 blue:3a68b0 sea:3f7f95
petrol:1e5a66 teal:1f7a78 lagoon:2f9aa0 mint:9fd1b5 green:4a8a53 moss:66753a
olive:74742f forest:2c5a41 pine:285043 brown:7a5236 cognac:9a5a2c tortoise:7b5230"""
COLOURS = dict(pair.split(":") for pair in _COLOURS.split())


class Drawing(NamedTuple):
    """One file of drawings/: its shapes, and the words in product names that choose it."""

    name: str
    shapes: str
    words: frozenset[str]


def product_artwork(
    *, category: str, key: str, name: str = "", brand: str = "", variant: str = ""
) -> str:
    """Draw the picture of a product and return it as SVG text, 640 by 480.

    `category` is the category's name or slug. `key` (the family's code or the SKU) decides the
    scene and the colours. `name` decides the motif; a name that matches no drawing gets a neutral
    one. `variant` colours the motif if it names a colour. A gift card shows its `brand`, or its
    name without one.
    """
    dice = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")
    family, motifs = _fitting(category, name)
    scenes = _drawings()["scene"]
    dice, motif = divmod(dice, len(motifs))
    dice, scene = divmod(dice, len(scenes))
    dice, tint = divmod(dice, len(PALETTES))
    drawing = _painted(motifs[motif], tint, _colour(variant))
    if family == "gift":
        drawing = _printed(drawing, brand or name or "Gift card", PALETTES[tint])
    elif dice % 2 and family not in UNTURNED:
        drawing = f'<g transform="matrix(-1 0 0 1 640 0)">{drawing}</g>'
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 480" width="640" height="480">'
        f"<title>{_text(name)}</title>"
        f"{_painted(scenes[scene], tint, '')}{drawing}</svg>"
    )


def _family(category: str) -> str:
    for family, words in FAMILIES:
        if any(word in category for word in words):
            return family
    return "anything"


def motifs_for(*, category: str, name: str) -> list[str]:
    """The names of the drawings, such as "home-pan", that may show a product of this name."""
    return [drawing.name for drawing in _fitting(category, name)[1]]


def _fitting(category: str, name: str) -> tuple[str, list[Drawing]]:
    """Return the family of drawings and the drawings in it that match the name best.

    Without a match the family is the neutral one.
    """
    family = _family(category.lower())
    said = _words(_REST.sub("", name))
    drawings = _drawings()[family]
    scores = [len(said & drawing.words) for drawing in drawings]
    best = max(scores)
    if family == "gift":  # every gift card gets a card, whatever its name says
        return family, drawings
    if family not in ALL_ALIKE and (said & ANOTHER_THING or not best):
        return NEUTRAL, _drawings()[NEUTRAL]
    return family, [
        drawing for drawing, score in zip(drawings, scores, strict=True) if score == best
    ]


def _colour(variant: str) -> str:
    """The first colour that the variant names, as #rrggbb; "" when it names none."""
    named = (COLOURS.get(word) for word in re.findall(r"[a-z]+", variant.lower()))
    return next((f"#{colour}" for colour in named if colour), "")


def _words(text: str) -> frozenset[str]:
    """The words of a text in lower case, with a final "s" removed so that plurals match."""
    return frozenset(word.removesuffix("s") for word in re.findall(r"[a-z]+", text.lower()))


@lru_cache(maxsize=1)
def _drawings() -> dict[str, list[Drawing]]:
    """Read all drawings from disk, grouped by family."""
    families: dict[str, list[Drawing]] = {}
    for path in sorted(DRAWINGS.glob("*-*.svg")):
        head, _, rest = path.read_text(encoding="utf-8").partition(">")
        words = re.search(r'data-words="([^"]*)"', head)
        families.setdefault(path.stem.partition("-")[0], []).append(
            Drawing(
                path.stem,
                rest.rpartition("</svg>")[0].replace("\n", ""),
                _words(words[1]) if words else frozenset(),
            )
        )
    return families


@lru_cache(maxsize=1024)
def _painted(drawing: Drawing, tint: int, colour: str) -> str:
    """Recolour a drawing with a palette; `colour`, if not "", replaces the motif's colour."""
    palette = PALETTES[tint]
    if colour:
        palette = palette._replace(thing=colour, thing_shade=_darker(colour))
    colours = dict(zip(PALETTES[0], palette, strict=True))
    return re.sub("|".join(colours), lambda found: colours[found.group()], drawing.shapes)


def _darker(colour: str) -> str:
    return "#" + bytes(part * 3 // 4 for part in bytes.fromhex(colour[1:])).hex()


def _printed(card: str, label: str, palette: Palette) -> str:
    """Print a name on a gift card, in the largest size that fits and a readable colour."""
    words = label.strip()
    if len(words) > LONGEST_LABEL:
        words = words[: LONGEST_LABEL - 1].rstrip() + "…"
    size = min(38, 540 // max(len(words), 1))
    ground = sum(bytes.fromhex(palette.thing[1:]))
    ink = palette.dark if ground > DARK_TEXT_ABOVE else palette.light
    card = card.replace("LABELSIZE", str(size)).replace("LABELINK", ink)
    return card.replace("LABEL", _text(words))


def _text(label: str) -> str:
    """Escape a label for XML, and drop control characters, which XML cannot hold at all."""
    return escape("".join(sign for sign in label if sign.isprintable()))
