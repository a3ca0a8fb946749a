"""Routes of the endpoint, as OpenAI's clients know them."""

from django.urls import path

from frontend.openai import views

urlpatterns = [
    path("models", views.models, name="openai_models"),
    path("models/<str:name>", views.model, name="openai_model"),
    path("chat/completions", views.chat_completions, name="openai_chat"),
]
