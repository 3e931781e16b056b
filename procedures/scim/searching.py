"""Searches of one directory. The filter is judged by the protocol's own library; the database only narrows first.

Nothing of a filter becomes SQL: an equality of one attribute becomes a bound parameter, and everything else is
matched row by row, of so many rows at most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import Q
from scim2_models import InvalidFilterException, Resource, SearchRequest, TooManyException
from scim2_models.path import CompareOperator, Comparison, FilterNode, LogicalExpr, LogicalOperator
from scim2_server.storage import SearchPage

from procedures.models import IdentityProvider
from procedures.scim.resources import group_of, user_of
from procedures.services import directories, directory_groups

MOST = 10_000  # rows that one filter is tried on
LONGEST = 2_000  # characters of a filter
USERS = {"username": "person__username__iexact", "externalid": "external_id", "emails.value": "person__email__iexact"}
GROUPS = {"displayname": "name__iexact", "externalid": "external_id"}


def page(provider: IdentityProvider, users: bool, search: SearchRequest[Any]) -> SearchPage:
    """One page of people or groups. Raises InvalidFilterException, TooManyException."""
    rows = directories.entries(provider) if users else directory_groups.groups(provider)
    shape: Callable[[Any], Resource[Any]] = user_of if users else group_of
    rows = rows.prefetch_related("kept_in") if users else rows
    start, count = search.start_index_0 or 0, search.count or 0
    if search.filter is None and search.sort_by is None:
        return SearchPage(rows.count(), [shape(row) for row in rows.order_by("id")[start : start + count]])
    if len(str(search.filter or "")) > LONGEST:
        raise InvalidFilterException(detail=f"A filter has at most {LONGEST} characters.")
    if search.filter is not None:
        rows = rows.filter(_narrowed(search.filter.ast, USERS if users else GROUPS))
    if rows.count() > MOST:
        raise TooManyException(detail=f"A search looks at {MOST:,} rows at most. Ask for one userName or externalId.")
    made = [shape(row) for row in rows.order_by("id")]
    found = [one for one in made if search.filter is None or search.filter.match(one)]
    found.sort(key=lambda one: _place(search, one), reverse=str(search.sort_order or "") == "descending")
    return SearchPage(len(found), found[start : start + count])


def _narrowed(node: FilterNode, columns: Mapping[str, str]) -> Q:
    """What every row that this filter finds must be; everything, where the filter says nothing simple."""
    if isinstance(node, LogicalExpr) and node.op == LogicalOperator.and_:
        both = Q()
        for term in node.terms:
            both &= _narrowed(term, columns)
        return both
    if isinstance(node, Comparison) and node.op == CompareOperator.eq and isinstance(node.value, str):
        path = node.attr_path
        name = f"{path.attr}.{path.sub_attr}" if path.sub_attr else path.attr
        if column := columns.get(name.casefold()):
            return Q(**{column: node.value})
    return Q()


def _place(search: SearchRequest[Any], one: Any) -> tuple[bool, Any, str]:
    value = search.sort_value(one) if search.sort_by else None
    return value is None, "" if value is None else value, str(one.id)
