"""Addresses for probes and browsers: health checks, brand.css, icons."""

from django.urls import path

from loyalty_portal import brand, health

urlpatterns = [
    path("brand.css", brand.stylesheet, name="brand_css"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
