"""The meters that a user has named in the setting `meter`: a pure function from its text."""

from __future__ import annotations

from energywrap.errors import UserError
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings

SNMP = "snmp"
NUMBERED, PLUGS = ("shelly1", "shelly2"), ("shelly1", "shelly2", "tasmota")
HTTP = "http://"
# Of known unit, in APC's PowerNet-MIB: rPDU2DeviceStatusPower, and by outlet rPDU2OutletMeteredStatusPower
DEVICE_OID, OUTLET_OID = "1.3.6.1.4.1.318.1.1.26.4.3.1.5.", "1.3.6.1.4.1.318.1.1.26.9.4.3.1.7."
EXAMPLES = "write for example shelly2+http://10.0.0.5, tasmota+http://plug.lan or snmp+pdu.lan"
HIGHEST_PORT = 65535


@record
class Meter:
    """One meter: what it is, where it answers, and which part of it (a plug's switch, an OID) is ours."""

    kind: str
    where: str
    part: str = ""

    def name(self) -> str:
        """What a person calls it."""
        return f"{self.kind} {self.where.removeprefix(HTTP)}" + (f" {self.part}" if self.part else "")


def configured(settings: Settings) -> tuple[Meter, ...]:
    """The meters of the settings. Raises UserError for a setting that names none."""
    text: str | None = getattr(settings, "meter", None)
    return () if text is None else parse(text, settings.origin.get("meter", "meter"))


def parse(text: str, origin: str = "meter") -> tuple[Meter, ...]:
    """KIND+ADDRESS, several separated by commas: the power supplies of one machine, which add up.

    Raises UserError for what cannot be a meter, for one named twice, and for kinds that cannot be added.
    """
    meters = tuple(_meter(word.strip(), origin) for word in text.split(","))
    if len(set(meters)) < len(meters):
        raise UserError(f"{origin}: the meter {text!r} names one meter twice", "it would be counted twice")
    if len({meter.kind == SNMP for meter in meters}) > 1:
        raise UserError(
            f"{origin}: the meter {text!r} mixes plugs and SNMP", "name the plugs alone or the PDUs alone"
        )
    return meters


def _meter(word: str, origin: str) -> Meter:
    kind, plus, address = word.partition("+")
    if not plus or kind not in (*PLUGS, SNMP):
        raise UserError(f"{origin}: {word!r} is no meter", EXAMPLES)
    if kind == SNMP:
        host, slash, oid = address.partition("/")
        if not _is_host(host) or (slash and not _is_oid(oid)):
            raise UserError(
                f"{origin}: {word!r} is no meter", "write snmp+HOST, or snmp+HOST/OID*WATTS_PER_UNIT"
            )
        if slash and "*" not in oid and not oid.lstrip(".").startswith((DEVICE_OID, OUTLET_OID)):
            raise UserError(f"{origin}: the unit of {word!r} is not known", f"write its W per unit: {word}*1")
        return Meter(kind, host, oid.lstrip("."))
    if not address.startswith(HTTP):
        raise UserError(f"{origin}: {word!r} is no http address", EXAMPLES)
    host, _, part = address.removeprefix(HTTP).partition("/")
    if "@" in host:
        raise UserError(
            f"{origin}: {kind} with a password", "passwords are not supported: they would be seen"
        )
    if not _is_host(host) or not _is_port(host):
        raise UserError(f"{origin}: {word!r} names no host", EXAMPLES)
    if part and not (kind in NUMBERED and part.isascii() and part.isdigit()):
        raise UserError(f"{origin}: {word!r} has a path", f"give the address alone; {EXAMPLES}")
    return Meter(kind, HTTP + host, part)


def _is_host(text: str) -> bool:
    """A name or an address; nothing that a program could take for an option."""
    safe = text.isascii() and all(c.isalnum() or c in ".-_:[]" for c in text)
    return safe and (text[:1].isalnum() or (text.startswith("[") and "]" in text))


def _is_port(host: str) -> bool:
    _, colon, port = host.rpartition("]")[2].partition(":")
    return not colon or (port.isdigit() and 0 < int(port) <= HIGHEST_PORT)


def _is_oid(text: str) -> bool:
    oid, star, factor = text.partition("*")
    numbers = oid.lstrip(".").split(".")
    right = len(numbers) > 1 and all(number.isascii() and number.isdigit() for number in numbers)
    return right and (not star or _is_factor(factor))


def _is_factor(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False
