"""URL routes of the whole site."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from arena.config.accounts import SignUp
from arena.config.health import health
from frontend.api.api import api
from frontend.pages.site import metrics

# The admin uses the site's own sign-in, with its rate limits and second factor.
admin.autodiscover()
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

handler500 = "arena.config.outages.database_away_or_fault"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/signup/", SignUp.as_view(), name="account_signup"),
    path("accounts/", include("allauth.urls")),
    path("health/", health, name="health"),
    path("metrics", metrics, name="metrics"),
    path("api/v1/", api.urls),
    path("v1/", include("frontend.openai.urls")),
    path("", include("frontend.urls")),
]
