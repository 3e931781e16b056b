"""`POST /hooks/NAME`: another system says that something happened; a hook asks for the run that was signed for it."""

from __future__ import annotations

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from procedures.domain import limits
from procedures.domain.clock import now
from procedures.services import deliveries
from procedures.services.unit import door

TOO_LARGE = {"detail": f"The body is larger than {limits.BODY_BYTES // limits.MIB} MiB."}


@csrf_exempt
@require_POST
def delivered(request: HttpRequest, name: str) -> JsonResponse:
    """202 for a signed delivery, also one that came before; 403 alike for a wrong signature and an unknown hook.

    What came of it is told in one word: why it was refused is for whoever stands behind the hook.
    """
    if int(request.META.get("CONTENT_LENGTH") or 0) > limits.BODY_BYTES:
        return JsonResponse(TOO_LARGE, status=413)
    if request.content_type != "application/json":
        return JsonResponse({"detail": "Send a body of the type application/json."}, status=415)
    try:
        body = request.body
    except RequestDataTooBig:
        return JsonResponse(TOO_LARGE, status=413)
    headers = {key.lower(): value for key, value in request.headers.items()}
    mark = door.set("hook")
    try:
        taken = deliveries.take(name=name, headers=headers, body=body, at=now())
    except deliveries.DeliveryRefused as problem:
        return JsonResponse({"detail": problem.message}, status=403)
    except deliveries.TooManyDeliveries as problem:
        return JsonResponse({"detail": problem.message}, status=429, headers={"Retry-After": "60"})
    finally:
        door.reset(mark)
    said = {"taken": taken.fresh} | ({"outcome": taken.outcome} if taken.fresh else {})
    return JsonResponse(said | ({"run": taken.no} if taken.no else {}), status=202)
