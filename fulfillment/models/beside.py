"""What triggers do for a process of the version before, which runs beside this one for a while."""

# The version before records a return of all units at once, and counts none.
RETURNED_AS_A_WHOLE = """
    NEW.quantity_returned := NEW.quantity_delivered;
    NEW.quantity_written_off := NEW.quantity_delivered;
    RETURN NEW;
"""

# Makes the line of a parcel that a process of the version before has sent, which writes none.
LINE_OF_THE_VERSION_BEFORE = """
    INSERT INTO fulfillment_shipmentline (id, shipment_id, fulfillment_id, quantity)
    VALUES (gen_random_uuid(), NEW.id, NEW.fulfillment_id, NEW.quantity);
    RETURN NULL;
"""
