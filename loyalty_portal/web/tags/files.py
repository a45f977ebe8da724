"""Template tags for static files."""

from django import template

from loyalty_portal.configuration import brand

register = template.Library()


@register.simple_tag
def icon_sprite() -> str:
    """The address of the icons, for pages without the brand's variables."""
    return brand.icon_sprite()
