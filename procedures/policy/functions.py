"""The functions that a policy may call: those whose answer follows from their arguments alone.

What is not in this list is refused when a policy is proposed and again when it is loaded: the process environment
(`opa.runtime`), the network (`http.send`, `net.*`), the clock (`time.*`; a policy has `input.now`), chance (`rand.*`,
`uuid.*`), and whatever a later evaluator may add.
"""

from __future__ import annotations

_PLAIN = """
abs and ceil concat contains count div endswith equal floor format_int gt gte indexof indexof_n intersection is_array
is_boolean is_null is_number is_object is_set is_string lower lt lte max min minus mul neq or plus product rem replace
round sort split sprintf startswith substring sum to_number trim trim_left trim_prefix trim_right trim_space trim_suffix
type_name union upper walk
"""
_SPACES = {
    "array": "concat flatten reverse slice",
    "base64": "decode encode is_valid",
    "base64url": "decode encode encode_no_pad",
    "bits": "and lsh negate or rsh xor",
    "crypto": "md5 sha1 sha256",
    "glob": "match quote_meta",
    "graph": "reachable reachable_paths",
    "hex": "decode encode",
    "internal": "member_2 member_3 template_string",
    "json": "filter is_valid marshal patch remove unmarshal",
    "numbers": "range range_step",
    "object": "filter get keys remove subset union union_n",
    "regex": "find_all_string_submatch_n find_n is_valid match replace split",
    "semver": "compare is_valid",
    "strings": "any_prefix_match any_suffix_match count replace_n reverse",
    "units": "parse parse_bytes",
    "urlquery": "decode encode",
}
FUNCTIONS = frozenset(_PLAIN.split()) | {
    f"{space}.{name}" for space, names in _SPACES.items() for name in names.split()
}
