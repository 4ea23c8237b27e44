"""THE table of who may do what: every route, every method, eight callers. A new route adds its line here.

Cells: ``+`` let in (what follows is the route's own matter: 200, 404, 409, 422 ...), ``401``, ``403``, ``in`` (sent to
the sign-in page). Callers with a key carry it as ``Authorization: Bearer``; outside of /api/ keys count for nothing.
The narrowed key is an administrator's, with the scope ``profile:own`` alone. Ids in paths are unknown ones.

A write whose empty body would be refused before the permission is asked for needs an example in BODIES.
"""

from __future__ import annotations

from typing import Any

from tests.permissions.cast import CALLERS

TABLE = """
#                                                                    anonymous viewer operator admin other expired narrowed deactivated
GET    /api/v1/api-keys                                              401       +      +        +     +     401     +        401
POST   /api/v1/api-keys                                              401       403    403      403   403   401     403      401
DELETE /api/v1/api-keys/<int:key_id>                                 401       403    403      403   403   401     403      401
GET    /api/v1/audit-logs                                            401       403    403      +     +     401     403      401
GET    /api/v1/audit-logs/verification                               401       403    403      +     +     401     403      401
GET    /api/v1/health                                                +         +      +        +     +     +       +        +
GET    /api/v1/jobs                                                  401       +      +        +     +     401     403      401
GET    /api/v1/jobs/<uuid:job_id>                                    401       +      +        +     +     401     403      401
POST   /api/v1/jobs/<uuid:job_id>/cancel                             401       403    +        +     +     401     403      401
GET    /api/v1/jobs/<uuid:job_id>/logs                               401       +      +        +     +     401     403      401
GET    /api/v1/jobs/<uuid:job_id>/stream                             401       +      +        +     +     401     403      401
GET    /api/v1/launches                                              401       +      +        +     +     401     403      401
GET    /api/v1/launches/<uuid:launch_uuid>                           401       +      +        +     +     401     403      401
POST   /api/v1/launches/<uuid:launch_uuid>/cancel                    401       403    +        +     +     401     403      401
GET    /api/v1/launches/<uuid:launch_uuid>/logs                      401       +      +        +     +     401     403      401
GET    /api/v1/launches/<uuid:launch_uuid>/results                   401       +      +        +     +     401     403      401
GET    /api/v1/me                                                    401       +      +        +     +     401     +        401
GET    /api/v1/openapi.json                                          +         +      +        +     +     401     +        401
GET    /api/v1/ready                                                 +         +      +        +     +     +       +        +
GET    /api/v1/servers                                               401       +      +        +     +     401     403      401
POST   /api/v1/servers                                               401       403    +        +     +     401     403      401
GET    /api/v1/servers/<int:server_id>                               401       +      +        +     +     401     403      401
PATCH  /api/v1/servers/<int:server_id>                               401       403    +        +     +     401     403      401
DELETE /api/v1/servers/<int:server_id>                               401       403    +        +     +     401     403      401
GET    /api/v1/servers/<int:server_id>/host-keys                     401       +      +        +     +     401     403      401
POST   /api/v1/servers/<int:server_id>/host-keys/<int:key_id>/accept 401       403    403      +     +     401     403      401
POST   /api/v1/servers/<int:server_id>/host-keys/<int:key_id>/revoke 401       403    403      +     +     401     403      401
POST   /api/v1/servers/<int:server_id>/reactivate                    401       403    +        +     +     401     403      401
POST   /api/v1/servers/<int:server_id>/test                          401       403    +        +     +     401     403      401
GET    /audit                                                        in        403    403      +     +     in      in       in
POST   /audit/verification                                           in        403    403      +     +     in      in       in
GET    /health                                                       +         +      +        +     +     +       +        +
GET    /jobs                                                         in        +      +        +     +     in      in       in
GET    /jobs/<uuid:job_id>                                           in        +      +        +     +     in      in       in
POST   /jobs/<uuid:job_id>/cancel                                    in        403    +        +     +     in      in       in
GET    /jobs/<uuid:job_id>/download                                  in        +      +        +     +     in      in       in
GET    /jobs/<uuid:job_id>/lines                                     in        +      +        +     +     in      in       in
GET    /jobs/<uuid:job_id>/raw                                       in        +      +        +     +     in      in       in
GET    /jobs/<uuid:job_id>/run-lines                                 in        +      +        +     +     in      in       in
GET    /jobs/<uuid:job_id>/search                                    in        +      +        +     +     in      in       in
GET    /jobs/<uuid:job_id>/tasks                                     in        +      +        +     +     in      in       in
GET    /launches                                                     in        +      +        +     +     in      in       in
GET    /launches/<uuid:launch_uuid>                                  in        +      +        +     +     in      in       in
POST   /launches/<uuid:launch_uuid>/cancel                           in        403    +        +     +     in      in       in
GET    /launches/<uuid:launch_uuid>/live                             in        +      +        +     +     in      in       in
GET    /launches/<uuid:launch_uuid>/raw                              in        +      +        +     +     in      in       in
POST   /launches/<uuid:launch_uuid>/relaunch                         in        +      +        +     +     in      in       in
GET    /me                                                           in        +      +        +     +     in      in       in
POST   /me/keys                                                      in        +      +        +     +     in      in       in
POST   /me/keys/<int:key_id>/revoke                                  in        +      +        +     +     in      in       in
GET    /me/password                                                  in        +      +        +     +     in      in       in
POST   /me/password                                                  in        +      +        +     +     in      in       in
POST   /me/sessions/<int:session_id>/revoke                          in        +      +        +     +     in      in       in
GET    /ready                                                        +         +      +        +     +     +       +        +
GET    /sign-in                                                      +         +      +        +     +     +       +        +
POST   /sign-in                                                      401       401    401      401   401   401     401      401
POST   /sign-out                                                     in        +      +        +     +     in      in       in
GET    /static/<path:filename>                                       +         +      +        +     +     +       +        +
GET    /stream                                                       in        +      +        +     +     in      in       in
"""

# "METHOD route" -> a body that passes the schema: JSON under /api/, form fields elsewhere.
BODIES: dict[str, dict[str, Any]] = {
    "POST /api/v1/api-keys": {"name": "more"},
    "POST /api/v1/servers": {"hostname": "web-1", "ip_address": "192.0.2.1"},
    "POST /me/keys": {"name": "one"},
}

# "METHOD route" -> a query without which the route has nothing to answer.
QUERIES: dict[str, str] = {"GET /stream": "job=00000000-0000-4000-8000-000000000000:0"}


def cells() -> dict[str, dict[str, str]]:
    """Return {"METHOD route": {caller: cell}}."""
    found: dict[str, dict[str, str]] = {}
    for line in TABLE.strip().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        method, route, *words = line.split()
        assert len(words) == len(CALLERS), f"{method} {route} needs {len(CALLERS)} cells"
        assert f"{method} {route}" not in found, f"{method} {route} stands twice"
        found[f"{method} {route}"] = dict(zip(CALLERS, words, strict=True))
    return found
