"""URL routes of the whole site."""

from django.contrib import admin
from django.urls import include, path

from arena.config.health import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("health/", health, name="health"),
    path("", include("frontend.urls")),
]
