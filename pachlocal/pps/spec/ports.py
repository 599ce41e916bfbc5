"""The port that a spec's service opens: checked, completed with defaults, and as a value."""

from __future__ import annotations

from pachlocal.errors import InvalidArgumentError
from pachlocal.pps.spec.inputs import Json
from pachlocal.runtime.contract import Port

_TYPES = ("ClusterIP", "LoadBalancer", "NodePort")
_MAX_PORT = 65535


def complete_service(service: Json, field: str) -> None:
    """Check a service and fill its defaults in, in place.

    Where one port isn't said it is the other one: so it is on Kubernetes for the internal one, and
    the program itself is reached then.

    Args:
        service: The service.
        field: Its name in the spec, for messages.

    Raises:
        InvalidArgumentError: It can't be right.
    """
    service.setdefault("type", "NodePort")
    check_service_type(service)
    internal, external = service.get("internal_port", 0), service.get("external_port", 0)
    if not internal and not external:
        raise InvalidArgumentError(
            f"{field}.internal_port is missing: which port does the program listen on?"
        )
    service["internal_port"], service["external_port"] = internal or external, external or internal
    for name in ("internal_port", "external_port"):
        if not 0 < service[name] <= _MAX_PORT:
            raise InvalidArgumentError(f"{field}.{name} must be between 1 and {_MAX_PORT}")


def check_service_type(service: Json) -> None:
    """Refuse a type of services that Kubernetes doesn't have.

    Raises:
        InvalidArgumentError: It says which.
    """
    if service.get("type") and service["type"] not in _TYPES:
        raise InvalidArgumentError(f"the following service type {service['type']} is not allowed")


def port_of(spec: Json) -> Port | None:
    """Return the port that an effective spec opens, if it opens one."""
    if service := spec.get("service"):
        return Port(service["internal_port"], service["external_port"], apart=True)
    if service := spec.get("spout", {}).get("service"):  # it writes its output by the server's API
        return Port(service["internal_port"], service["external_port"], apart=False)
    return None
