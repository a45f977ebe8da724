"""Keys under which the aiohttp application stores its parts."""

from __future__ import annotations

from aiohttp import web

from loyalty_portal.sandbox.partners import Partners

PARTNERS = web.AppKey("partners", Partners)
