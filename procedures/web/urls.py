"""Which page answers which path."""

from __future__ import annotations

from django.urls import path

from procedures.web.views import (
    access,
    approvals,
    changes,
    environments,
    evidence,
    home,
    log,
    people,
    procedures,
    reviews,
    runs,
    sessions,
    settings,
)

app_name = "web"
urlpatterns = [
    path("", home.home, name="home"),
    path("glossary/", home.glossary, name="glossary"),
    path("theme/", home.theme, name="theme"),
    path("login/", sessions.sign_in, name="login"),
    path("logout/", sessions.sign_out, name="logout"),
    path("welcome/<str:token>/", sessions.welcome, name="welcome"),
    path("join/<str:token>/", sessions.join, name="join"),
    path("procedures/", procedures.catalogue, name="procedures"),
    path("procedures/find/", procedures.find, name="find"),
    path("procedures/<slug:name>/", procedures.one, name="procedure"),
    path("procedures/<slug:name>/fields/", procedures.fields, name="fields"),
    path("procedures/<slug:name>/preview/", procedures.preview, name="preview"),
    path("runs/", runs.listing, name="runs"),
    path("runs/<uuid:run>/", runs.one, name="run"),
    path("runs/<uuid:run>/live/", runs.live, name="run-live"),
    path("runs/<uuid:run>/cancel/", runs.cancel, name="cancel"),
    path("runs/<uuid:run>/log.txt", runs.text, name="log-text"),
    path("runs/<uuid:run>/log/events", log.events, name="log-events"),
    path("runs/<uuid:run>/log/lines", log.lines, name="log-lines"),
    path("approvals/", approvals.listing, name="approvals"),
    path("approvals/<uuid:run>/", approvals.one, name="approval"),
    path("reviews/", reviews.listing, name="reviews"),
    path("reviews/<uuid:version>/", reviews.one, name="review"),
    path("reviews/<uuid:version>/lift/", reviews.lift, name="lift"),
    path("reviews/<uuid:version>/bundle.zip", reviews.bundle, name="bundle"),
    path("evidence/", evidence.listing, name="evidence"),
    path("evidence/export/", evidence.export, name="export"),
    path("evidence/<uuid:event>/", evidence.event, name="event"),
    path("people/", people.listing, name="people"),
    path("people/invite/", people.invite, name="invite"),
    path("people/close/", people.close, name="close-account"),
    path("environments/", environments.listing, name="environments"),
    path("environments/<slug:name>/", environments.one, name="environment"),
    path("access/", access.listing, name="access"),
    path("changes/<uuid:change>/", changes.one, name="change"),
    path("changes/<slug:control>/new/", changes.new, name="new-change"),
    path("settings/", settings.mine, name="settings"),
    path("settings/tokens/", settings.tokens, name="tokens"),
]
