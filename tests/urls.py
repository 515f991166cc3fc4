"""The pages that the tests visit: those of the example newspaper (admin/, mail/, accounts/ …)."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("", include("newspaper.urls"))]
