"""Seats. Signing in is allauth's."""

from django.urls import path

from accounts import views

urlpatterns = [path("seat/", views.switch_seat, name="seat_switch")]
