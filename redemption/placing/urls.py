"""The checkout's address."""

from django.urls import path

from redemption.placing import views

urlpatterns = [path("", views.checkout, name="checkout")]
