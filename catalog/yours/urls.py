"""Addresses of what seats and companies keep; catalog/urls.py includes them in its namespace."""

from django.urls import path

from catalog.yours import views
from catalog.yours.lists import views as lists

urlpatterns = [
    path("favourites/", views.favourites, name="favourites"),
    path("favourites/change/", views.change_favourite, name="change_favourite"),
    path("seen/", views.seen, name="seen"),
    path("compare/", views.compare, name="compare"),
    path("waiting/change/", views.change_wish, name="change_wish"),
    path("lists/", lists.lists, name="lists"),
    path("lists/make/", lists.make, name="make_list"),
    path("lists/put-on/", lists.put_on, name="put_on_list"),
    path("lists/<uuid:list_id>/", lists.one_list, name="one_list"),
    path("lists/<uuid:list_id>/rename/", lists.rename, name="rename_list"),
    path("lists/<uuid:list_id>/delete/", lists.delete, name="delete_list"),
    path("lists/<uuid:list_id>/take-off/", lists.take_off, name="take_off_list"),
]
