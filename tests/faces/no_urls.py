"""A site that has not included the pages of the app."""

urlpatterns: list[object] = []
