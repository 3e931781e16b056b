"""Paths that are no row of the matrix, each with why, and with the test that judges it."""

from __future__ import annotations

from tests.access import standing

ALIKE = "says what every installation says"
ASIDE = {
    "api/v1/session/": "signs in and out; tests/web/test_accounts.py",
    "api/v1/welcome/": "the first link; tests/web/test_accounts.py",
    "api/v1/join/": "an invitation; tests/web/test_accounts.py",
    "api/v1/runs/<str:pk>/artifacts/<str:artifact>/": "tests/engine/test_artifacts.py, tests/api/test_who_sees.py",
    "runs/<uuid:run>/artifacts/<uuid:artifact>/": "tests/engine/test_artifacts.py",
    "api/v1/runs/<str:pk>/results/<str:result>/fetch/": "tests/engine/test_results.py, test_results_doors.py",
    "api/v1/runs/<str:pk>/results/<str:result>/erase/": "tests/engine/test_results.py",
    "runs/<uuid:run>/results/<uuid:result>/": "tests/engine/test_results_doors.py",
    "runs/<uuid:run>/results/<uuid:result>/erase/": "tests/engine/test_results_doors.py",
    "runs/<uuid:run>/log/events": "a stream that does not end; tests/web/test_live_log.py",
    **standing.ASIDE,
    "login/with/<slug:provider>/": "signs in elsewhere; tests/signon/test_openid.py",
    "login/with/<slug:provider>/done/": "comes back from there; tests/signon/test_openid.py",
    "api/v1/session/code/": "a code from the page; tests/signon/test_ways_in.py",
    "cli-login/": "a code for oneself; tests/signon/test_ways_in.py",
    "api/v1/notices/read/": "one's own alone, by ids that differ for each; tests/api/test_notices.py",
    "api/v1/deputies/<str:pk>/agree/": "the one named alone, once; tests/web/test_deputies.py",
    "api/v1/deputies/<str:pk>/end/": "either of the two alone, once; tests/web/test_deputies.py",
    "api/v1/people/same/": "managers and auditors; tests/signon/test_ways_in.py",
    "people/sign-in/": "managers and auditors; tests/signon/test_ways_in.py",
    "settings/logins/": "one's own; tests/signon/test_ways_in.py",
    "login/with/<slug:provider>/acs/": "takes what a provider signed; tests/signon/test_saml.py",
    "login/with/<slug:provider>/metadata/": "says what every installation says; tests/signon/test_saml.py",
    "api/v1/token/exchange/": "a workload's signed token; tests/workloads",
    "login/": "signs in; tests/web/test_accounts.py",
    "logout/": "signs out; tests/web/test_accounts.py",
    "join/<str:token>/": "an invitation; tests/web/test_accounts.py",
    "welcome/<str:token>/": "the first link; tests/web/test_accounts.py",
    "theme/": "light or dark, in a cookie",
    **dict.fromkeys(
        ("evidence/log/<path:path>", "evidence/log/<int:which>/<path:path>"), "tests/api/test_served_log.py"
    ),
    "evidence/verify.html": "the verifier, the same for everybody; tests/browser/test_verifier_page.py",
    "healthz": "whether the process answers",
    "readyz": "whether the parts answer",
    "metrics": "counts, for the machine itself",
    **dict.fromkeys(("schema/procedure.v1.json", "api/schema/procedure.v1.json", "api/schema/", "api/docs/"), ALIKE),
    **{f"identity/<slug:environment>/{what}": "public keys" for what in (".well-known/openid-configuration", "jwks")},
}
