"""Where each noun of the API stands."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from procedures.api import (
    access_requests,
    accounts,
    agents,
    answers,
    campaigns,
    changes_of,
    control,
    decisions,
    deputies,
    discussions,
    evidence,
    glass,
    notices,
    runs,
    same_person,
    session,
    sessions,
    sources,
    spaces,
    tokens,
    versions,
)
from procedures.definitions.published import published
from procedures.definitions.registry import action_marks, actions


def action_list(request: HttpRequest) -> JsonResponse:
    marks = action_marks()
    rows = [
        {
            "id": a.id,
            "summary": a.summary,
            "per_target": a.per_target,
            "credentials": sorted(a.credential_kinds),
            "risk": a.floor,
            "mark": marks[a.id],
            "input": a.input_schema,
            "output": a.output_schema,
        }
        for _, a in sorted(actions().items())
    ]
    return JsonResponse({"results": rows, "next": None, "previous": None})


def format_schema(request: HttpRequest) -> JsonResponse:
    """The format's JSON Schema for editors, which sign in nowhere."""
    return JsonResponse(published(actions()), headers={"Cache-Control": "public, max-age=300"})


urlpatterns = [
    path("v1/session/", session.Session.as_view()),
    path("v1/session/code/", session.CodeSession.as_view()),
    path("v1/session/step-up/", session.StepUp.as_view()),
    path("v1/sessions/", sessions.Sessions.as_view()),
    path("v1/sessions/<str:pk>/", sessions.OneSession.as_view()),
    path("v1/welcome/", session.Welcome.as_view()),
    path("v1/join/", session.Join.as_view()),
    path("v1/me/", control.Me.as_view()),
    path("v1/actions/", action_list),
    path("v1/procedures/", versions.Procedures.as_view()),
    path("v1/procedures/<str:name>/", versions.OneProcedure.as_view()),
    path("v1/procedures/<str:name>/options/", versions.Options.as_view()),
    path("v1/versions/", versions.Versions.as_view()),
    path("v1/versions/<str:pk>/", versions.OneVersion.as_view()),
    path("v1/versions/<str:pk>/test/", versions.TestAgain.as_view()),
    path("v1/versions/<str:pk>/files/", versions.VersionFiles.as_view()),
    path("v1/versions/<str:pk>/comments/", discussions.Comments.as_view()),
    path("v1/threads/<str:pk>/resolve/", discussions.Settle.as_view(), {"act": "resolve"}),
    path("v1/threads/<str:pk>/reopen/", discussions.Settle.as_view(), {"act": "reopen"}),
    path("v1/versions/<str:pk>/diff/", changes_of.Diff.as_view()),
    path("v1/versions/<str:pk>/gains/", changes_of.Gains.as_view()),
    path("v1/versions/<str:pk>/statement/", versions.Statement.as_view()),
    path("v1/versions/<str:pk>/lift/", versions.Lift.as_view()),
    path("v1/versions/<str:pk>/revoke/", versions.Revoke.as_view()),
    path("v1/versions/<str:pk>/withdraw/", versions.Withdraw.as_view()),
    path("v1/versions/<str:pk>/resubmit/", versions.Resubmit.as_view()),
    path("v1/procedures/<str:name>/retire/", versions.Retire.as_view()),
    path("v1/procedures/<str:name>/restore/", versions.Restore.as_view()),
    path("v1/reviews/", versions.Reviews.as_view()),
    path("v1/runs/", runs.Runs.as_view()),
    path("v1/runs/<str:pk>/", runs.OneRun.as_view()),
    path("v1/runs/<str:pk>/plan/", runs.Plan.as_view()),
    path("v1/runs/<str:pk>/statement/", runs.Statement.as_view()),
    path("v1/runs/<str:pk>/approve/", runs.Decide.as_view()),
    path("v1/runs/<str:pk>/reject/", runs.Reject.as_view()),
    path("v1/runs/<str:pk>/cancel/", runs.Cancel.as_view()),
    path("v1/runs/<str:pk>/break-glass/", glass.Break.as_view()),
    path("v1/break-glass/", glass.Register.as_view()),
    path("v1/break-glass/<str:pk>/review/", glass.ReviewGlass.as_view()),
    path("v1/runs/<str:pk>/tasks/", runs.Tasks.as_view()),
    path("v1/runs/<str:pk>/log/", runs.Log.as_view()),
    path("v1/runs/<str:pk>/artifacts/", runs.Artifacts.as_view()),
    path("v1/runs/<str:pk>/artifacts/<str:artifact>/", runs.OneArtifact.as_view()),
    path("v1/runs/<str:pk>/events/", evidence.RunEvents.as_view()),
    path("v1/evidence/exports/", evidence.Exports.as_view()),
    path("v1/evidence/log/", evidence.Log.as_view()),
    path("v1/evidence/events/<str:pk>/", evidence.OneEvent.as_view()),
    path("v1/access/holders/", answers.Holders.as_view()),
    path("v1/access/people/<str:username>/", answers.PersonHolds.as_view()),
    path("v1/access/drift/", answers.Differences.as_view()),
    path("v1/access/separation/", answers.Separation.as_view()),
    path("v1/grants/", control.Grants.as_view()),
    path("v1/grants/preview/", control.PreviewGrant.as_view()),
    path("v1/controls/", control.Changes.as_view()),
    path("v1/controls/statement/", control.Statement.as_view()),
    path("v1/controls/<str:pk>/", control.OneChange.as_view()),
    path("v1/controls/<str:pk>/confirm/", control.Confirm.as_view()),
    path("v1/controls/<str:pk>/refuse/", control.Refuse.as_view()),
    path("v1/deputies/", deputies.Deputies.as_view()),
    path("v1/deputies/<str:pk>/end/", deputies.End.as_view()),
    path("v1/decisions/", decisions.Decisions.as_view()),
    path("v1/decisions/<str:what>/<str:pk>/", decisions.PassOn.as_view()),
    path("v1/notices/", notices.Notices.as_view()),
    path("v1/notices/read/", notices.Read.as_view()),
    path("v1/spaces/", spaces.Spaces.as_view()),
    path("v1/access-requests/", access_requests.AccessRequests.as_view()),
    path("v1/access-requests/<str:pk>/", access_requests.OneAccessRequest.as_view()),
    path("v1/access-requests/<str:pk>/grant/", access_requests.Grant.as_view()),
    path("v1/access-requests/<str:pk>/refuse/", access_requests.Refuse.as_view()),
    path("v1/access-requests/<str:pk>/withdraw/", access_requests.Withdraw.as_view()),
    path("v1/people/same/", same_person.Alike.as_view()),
    path("v1/campaigns/", campaigns.Campaigns.as_view()),
    path("v1/campaigns/offer/", campaigns.Offer.as_view()),
    path("v1/campaigns/<str:pk>/", campaigns.OneCampaign.as_view()),
    path("v1/campaigns/<str:pk>/grants/", campaigns.Items.as_view()),
    path("v1/campaigns/<str:pk>/keep/", campaigns.Keep.as_view()),
    path("v1/campaigns/<str:pk>/revoke/", campaigns.Revoke.as_view()),
    path("v1/campaigns/<str:pk>/narrow/", campaigns.Narrow.as_view()),
    path("v1/campaigns/<str:pk>/results/", campaigns.Results.as_view()),
    path("v1/people/", control.People.as_view()),
    path("v1/people/<str:pk>/let-in/", sessions.LetIn.as_view()),
    path("v1/people/<str:pk>/close/", accounts.Close.as_view()),
    path("v1/service-accounts/", accounts.ServiceAccounts.as_view()),
    path("v1/tokens/", tokens.Tokens.as_view()),
    path("v1/tokens/<str:pk>/", tokens.OneToken.as_view()),
    path("v1/tokens/<str:pk>/rotate/", tokens.Rotate.as_view()),
    path("v1/agents/", agents.Agents.as_view()),
    path("v1/agents/<str:pk>/stop/", agents.Stop.as_view()),
    path("v1/agents/<str:pk>/start/", agents.Start.as_view()),
    path("v1/environments/", control.Environments.as_view()),
    path("v1/targets/", control.Targets.as_view()),
    path("v1/sources/", sources.Sources.as_view()),
    path("v1/sources/<str:name>/", sources.OneSource.as_view()),
    path("v1/sources/<str:name>/look/", sources.Look.as_view()),
    path("v1/sources/<str:name>/hook/", sources.Hook.as_view()),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("schema/procedure.v1.json", format_schema),
    path("docs/", SpectacularSwaggerView.as_view(url_name="schema")),
]
