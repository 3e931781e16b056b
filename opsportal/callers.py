"""Says, at the start of each request, who calls by which session; a session that has ended is nobody's."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin


class CallerMiddleware(MiddlewareMixin):
    """Behind Django's authentication. What an earlier request of this thread was never reaches the next one."""

    def process_request(self, request: HttpRequest) -> None:
        from procedures.access import caller
        from procedures.domain.clock import now
        from procedures.models import Person
        from procedures.services import open_sessions

        caller.set(None)
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or not isinstance(request.user, Person):
            return
        row = open_sessions.of_request(request, request.user, at=now())
        if row is None:
            logout(request)
        else:
            caller.set(open_sessions.caller_of(row))

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        from procedures.access import caller

        caller.set(None)
        return response
