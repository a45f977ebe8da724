"""Addresses for machines and the browser's odds and ends."""

from django.urls import path

from loyalty_portal import brand

urlpatterns = [path("brand.css", brand.stylesheet, name="brand_css")]
