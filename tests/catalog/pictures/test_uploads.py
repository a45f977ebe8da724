"""Which files are taken as pictures, what is kept of them, and how they are sent."""

import zipfile
from collections.abc import Callable
from io import BytesIO

import pytest
from django.test import Client
from PIL import Image

from catalog.models import Product, picture_trouble
from catalog.pictures.images import MOST_BYTES, PictureError, encode_picture
from catalog.pictures.services import add_pictures, copy_pictures, read_picture, settle_cover
from loyalty_portal.data.actor import SYSTEM
from tests.catalog.factories import ProductFactory
from tests.catalog.pictures.making import picture, png_that_claims


def refused(data: bytes) -> str:
    with pytest.raises(PictureError) as error:
        encode_picture(data)
    return str(error.value)


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_encoded_anew_in_three_sizes(kind: str) -> None:
    made = encode_picture(picture(3000, 2000, kind=kind))
    sizes = {side: opened(file).size for side, file in made.files.items()}
    assert sizes == {320: (320, 214), 640: (640, 427), 1280: (1280, 853)}
    assert {opened(file).format for file in made.files.values()} == {"WEBP"}
    assert (made.width, made.height) == (1280, 853)


def test_a_small_picture_is_not_blown_up() -> None:
    made = encode_picture(picture(400, 300))
    assert opened(made.files[1280]).size == (400, 300)


def test_a_picture_is_turned_as_its_camera_says_and_loses_what_the_camera_wrote() -> None:
    notes = Image.Exif()
    notes[0x0112] = 6  # turn by a quarter
    notes[0x010E] = "taken at home"
    made = encode_picture(picture(800, 400, exif=notes))
    kept = opened(made.files[640])
    assert kept.size == (320, 640)
    red, green, _blue = kept.convert("RGB").getpixel((300, 20))  # type: ignore[misc]
    assert min(red, green) > 180  # the gold corner went from the left to the right
    assert not kept.getexif()
    assert all(b"taken at home" not in file for file in made.files.values())


def test_a_picture_keeps_what_is_transparent() -> None:
    made = encode_picture(picture(kind="PNG", colour=(0, 0, 0, 0)))
    assert opened(made.files[640]).getpixel((600, 400))[3] == 0  # type: ignore[index]


def test_a_file_that_claims_many_pixels_is_refused_before_any_is_decoded() -> None:
    for width, height in ((50_000, 50_000), (8_000, 8_000)):
        sentence = "The picture has more than 40 million pixels. Save it smaller."
        assert refused(png_that_claims(width, height)) == sentence


def test_a_file_of_many_bytes_is_refused() -> None:
    assert "larger than 12 MB" in refused(b"\xff\xd8" + bytes(MOST_BYTES))


def test_a_truncated_picture_is_refused() -> None:
    whole = picture(1600, 1200, kind="JPEG", quality=95)
    for part in (whole[: len(whole) // 2], whole[:60], picture(kind="PNG")[:-400]):
        assert "damaged or was not sent completely" in refused(part)


def archive() -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("run.class", "x")
    return file.getvalue()


@pytest.mark.parametrize(
    "hidden",
    [
        lambda: b"<script>alert(1)</script>",
        lambda: b"<HTML ><body>",
        lambda: b"<?php system('id'); ?>",
        lambda: b"<svg onload=alert(1)>",
        archive,
    ],
)
def test_a_picture_that_is_something_else_as_well_is_refused(hidden: Callable[[], bytes]) -> None:
    assert "something else at once" in refused(picture() + hidden())
    assert "something else at once" in refused(picture(comment=hidden()))


def test_a_document_that_begins_like_a_picture_is_refused() -> None:
    assert "something else at once" in refused(b"\xff\xd8\xff\xe0%PDF-1.7" + picture())


def test_a_drawing_is_refused_and_told_why() -> None:
    drawing = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"></svg>'
    assert (
        refused(drawing) == "SVG drawings are not taken: they can contain programs. Save it as PNG."
    )


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a" + bytes(50), b"<html><script>1</script>", archive()]
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    assert refused(data) == "The file is no picture that can be shown. JPEG, PNG and WebP can."


def test_a_stamp_and_a_strip_are_refused_with_their_size() -> None:
    assert "has 100 × 900 pixels" in refused(picture(100, 900))
    assert "a strip of 3000 × 210 pixels" in refused(picture(3000, 210))


@pytest.mark.parametrize("kind", ["L", "P", "CMYK", "1"])
def test_colours_of_every_kind_are_taken(kind: str) -> None:
    file = BytesIO()
    Image.new("RGB", (300, 300), "teal").convert(kind).save(
        file, "JPEG" if kind == "CMYK" else "PNG"
    )
    shown = opened(encode_picture(file.getvalue()).files[320]).convert("RGB")
    assert shown.size == (300, 300)


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "JavaScript:alert(1)", "data:image/svg+xml,<svg>",
        "https://cdn.example/a.jpg", "http://cdn.example/a.jpg", "//cdn.example/a.jpg",
        "/\\cdn.example/a.jpg", "\\\\cdn.example/a.jpg", "/a\\b", "a.jpg", "/a b.jpg", "/a\n.jpg",
        '/a".jpg', " /a.jpg",
    ],
)  # fmt: skip
def test_an_address_elsewhere_or_of_a_program_is_no_picture(address: str) -> None:
    assert picture_trouble(address).startswith(("A picture cannot be", "The address of a picture"))


def test_an_address_on_this_host_is_one() -> None:
    assert [picture_trouble(address) for address in ("", "/media/mug.jpg", "/m/a%20b.png?v=2")] == [
        ""
    ] * 3


# --- Stored and sent ---------------------------------------------------------------------------


@pytest.fixture
def product(db: None) -> Product:
    return ProductFactory.create()


def test_a_stored_picture_is_sent_as_what_it_is_and_may_be_kept_forever(product: Product) -> None:
    made = encode_picture(picture())
    add_pictures(product=product, pictures=[made], by=SYSTEM)
    answer = Client().get(product.picture_url)
    assert answer.status_code == 200
    assert answer.content == made.files[640]
    assert answer["Content-Type"] == "image/webp"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in answer["Cache-Control"]
    assert "Cookie" not in answer.get("Vary", "")


@pytest.mark.parametrize("name", [f"{'0' * 40}-640", f"{'0' * 40}-641", "../settings-640", "x"])
def test_a_picture_that_is_not_there_is_not_found(db: None, name: str) -> None:
    assert Client().get(f"/catalog/pictures/{name}.webp").status_code == 404


def test_the_first_picture_stands_for_the_product_before_its_address(product: Product) -> None:
    product.image_url = "/media/old.jpg"
    assert product.picture_url == "/media/old.jpg"
    first, second = encode_picture(picture()), encode_picture(picture(colour="navy"))
    add_pictures(product=product, pictures=[first, second, first], by=SYSTEM)
    assert first.digest in product.picture_url
    assert [each.digest for each in product.pictures.all()] == [first.digest, second.digest]
    product.pictures.filter(digest=first.digest).update(position=9)
    settle_cover(product=product)
    product.refresh_from_db()
    assert product.cover == second.digest
    product.pictures.all().delete()
    settle_cover(product=product)
    assert Product.objects.get(pk=product.pk).cover == ""


def test_a_copy_has_the_pictures_and_their_texts_without_new_files(product: Product) -> None:
    made = encode_picture(picture())
    add_pictures(product=product, pictures=[made], by=SYSTEM)
    product.pictures.update(alt="A mug on a desk")
    copy = ProductFactory.create()
    copy_pictures(source=product, product=copy, by=SYSTEM)
    assert [each.alt for each in copy.pictures.all()] == ["A mug on a desk"]
    assert copy.picture_url == Product.objects.get(pk=product.pk).picture_url


def test_a_product_has_at_most_twelve_pictures(product: Product) -> None:
    colours = [(n * 19, 0, 0) for n in range(13)]
    many = [encode_picture(picture(250, 250, colour=colour)) for colour in colours]
    with pytest.raises(PictureError, match="at most 12 pictures"):
        add_pictures(product=product, pictures=many, by=SYSTEM)
    assert product.pictures.count() == 0


def test_a_file_that_a_crash_left_unfinished_is_written_again(
    product: Product, settings: object
) -> None:
    made = encode_picture(picture())
    add_pictures(product=product, pictures=[made], by=SYSTEM)
    path = settings.MEDIA_ROOT / "products" / f"{made.digest}-640.webp"  # type: ignore[attr-defined]
    path.write_bytes(b"half")
    add_pictures(product=ProductFactory.create(), pictures=[made], by=SYSTEM)
    assert read_picture(digest=made.digest, side=640) == made.files[640]
