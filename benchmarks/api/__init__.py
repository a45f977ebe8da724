"""The API beside the barest view, beside the checkout, and beside a flood."""
