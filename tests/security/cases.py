"""Which tests hold which case of the attack list, by name. Other rooms' cases stand with their own tests."""

from __future__ import annotations

HERE = "tests/security"
CASES: dict[str, tuple[str, ...]] = {
    "T-MATRIX": (
        "tests/permissions/test_matrix.py::test_every_route_has_its_line_and_every_line_its_route",
        "tests/permissions/test_matrix.py::test_every_cell_of_the_table_is_what_the_application_does",
        "tests/permissions/test_matrix.py::test_head_a_query_and_a_slash_at_the_end_open_no_side_door",
    ),
    "T-IDOR": (
        "tests/permissions/test_foreign_ids.py::test_another_tenants_row_looks_like_none_at_all",
        "tests/permissions/test_foreign_ids.py::test_another_tenants_id_in_a_filter_finds_what_an_unknown_one_finds",
        "tests/permissions/test_foreign_ids.py::test_another_tenants_id_in_a_body_is_refused_like_an_unknown_one",
        "tests/permissions/test_foreign_ids.py::test_another_tenants_id_in_a_form_is_refused_like_an_unknown_one",
    ),
    "T-MASS": (f"{HERE}/test_t_mass.py",),
    "T-ESC": (f"{HERE}/test_t_esc.py",),
    "T-LOGIN": (f"{HERE}/test_t_login.py",),
    "T-BRUTE": (f"{HERE}/test_t_brute.py",),
    "T-LIMIT": ("tests/accounts/test_limits.py::test_an_address_is_limited_though_redis_is_gone",),
    "T-PW": (f"{HERE}/test_t_pw.py", "tests/accounts/test_passwords.py"),
    "T-SESS": (f"{HERE}/test_t_sess.py", "tests/accounts/test_sessions.py"),
    "T-CSRF": (f"{HERE}/test_t_csrf.py",),
    "T-NEXT": (f"{HERE}/test_t_next.py",),
    "T-HDR": (f"{HERE}/test_t_hdr.py",),
    "T-APIKEY": (f"{HERE}/test_t_apikey.py", "tests/accounts/test_api_keys.py"),
    "T-DOS": (f"{HERE}/test_t_dos.py", "tests/api/test_seeds.py"),
}
