"""Gives each shipped product its stock row, whoever inserts it (docs/decisions/0025)."""

from django.db import migrations

TRIGGERS = """
CREATE FUNCTION inventory_of_new_products() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inventory (
        id, product_id, quantity_available, quantity_reserved, low_stock_at, is_tracked,
        last_updated
    )
    SELECT id, id, 0, 0, 5, true, now() FROM added WHERE product_type = 'PHYSICAL'
    ON CONFLICT (product_id) DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER stock_row AFTER INSERT ON product
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT
    EXECUTE FUNCTION inventory_of_new_products();

-- A product that becomes a shipped one has nothing on the shelf yet.
CREATE FUNCTION inventory_of_changed_product() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inventory (
        id, product_id, quantity_available, quantity_reserved, low_stock_at, is_tracked,
        last_updated
    )
    VALUES (NEW.id, NEW.id, 0, 0, 5, true, now())
    ON CONFLICT (product_id) DO NOTHING;
    IF FOUND THEN
        UPDATE product SET stock_status = 'OUT' WHERE id = NEW.id AND stock_status <> 'OUT';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER stock_row_later AFTER UPDATE OF product_type ON product
    FOR EACH ROW WHEN (NEW.product_type = 'PHYSICAL' AND OLD.product_type <> 'PHYSICAL')
    EXECUTE FUNCTION inventory_of_changed_product();

WITH made AS (
    INSERT INTO inventory (
        id, product_id, quantity_available, quantity_reserved, low_stock_at, is_tracked,
        last_updated
    )
    SELECT id, id, 0, 0, 5, true, now() FROM product
    WHERE product_type = 'PHYSICAL'
    ON CONFLICT (product_id) DO NOTHING
    RETURNING product_id
)
UPDATE product SET stock_status = 'OUT' FROM made
WHERE product.id = made.product_id AND stock_status <> 'OUT';
"""
BACK = """
DROP TRIGGER stock_row ON product;
DROP TRIGGER stock_row_later ON product;
DROP FUNCTION inventory_of_new_products();
DROP FUNCTION inventory_of_changed_product();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0004_uploaded_pictures"),
        ("inventory", "0003_movement_times"),
    ]

    operations = [migrations.RunSQL(TRIGGERS, BACK)]
