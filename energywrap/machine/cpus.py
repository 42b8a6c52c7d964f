"""The table of processors: what a product is built of."""

from __future__ import annotations

from energywrap import tables
from energywrap.errors import UserError
from energywrap.machine import cpunames
from energywrap.record import record

TABLE = "cpus"
# An ARM processor does not tell its product: its generation and the cloud that DMI names do.
CLOUD_PARTS = {
    ("arm-a72", "Amazon EC2"): "graviton",
    ("neoverse-n1", "Amazon EC2"): "graviton2",
    ("neoverse-v1", "Amazon EC2"): "graviton3",
    ("neoverse-v2", "Amazon EC2"): "graviton4",
    ("neoverse-v2", "Google"): "axion",
    ("neoverse-n2", "Microsoft Corporation"): "cobalt 100",
    ("neoverse-n1", "Microsoft Corporation"): "ampere altra q80-30",
    ("neoverse-n1", "Hetzner"): "ampere altra q80-30",
}


@record
class Product:
    """A processor as the table has it; None: not known."""

    key: str
    tdp_w: float
    cores_per_socket: int
    threads_per_core: int | None
    arch: str | None
    sockets: int  # as many as a host of a cloud has; one where only one is possible
    source: str  # "estimate": nobody has published its TDP


def product(name_or_key: str) -> Product | None:
    """The product of exactly that name, once normalised; None where the table has none."""
    for key in cpunames.spellings(cpunames.key(name_or_key)):
        row = tables.find(TABLE, key) if key else None
        if row is not None:
            return Product(
                key=key,
                tdp_w=float(row["tdp_w"]),
                cores_per_socket=int(row["cores_per_socket"]),
                threads_per_core=int(row["threads_per_core"]) if row["threads_per_core"] else None,
                arch=row["arch"] or None,
                sockets=int(row["sockets"]),
                source=row["source"],
            )
    return None


def in_clouds(arch: str) -> list[str]:
    """The products of a generation that the large clouds use."""
    found = tables.rows(TABLE, holding=f"\t{arch}\t")
    return [row["key"] for row in found if row["arch"] == arch and row["seen_in"]]


def similar(name: str) -> list[str]:
    """Names in the table that are spelled like it: for the words of an error, never to choose by."""
    from difflib import get_close_matches

    key = cpunames.key(name)
    keys = [row["key"] for row in tables.rows(TABLE)]
    ends = [each for each in keys if key and each.endswith(f" {key}")]
    return (ends + [each for each in get_close_matches(key, keys, 3, 0.75) if each not in ends])[:3]


def named(name: str) -> Product:
    """The product that a user names. Raises UserError for a name that is not in the table."""
    found = product(name)
    if found is None:
        alike = similar(name)
        hint = f"spelled alike: {', '.join(alike)}" if alike else "give --tdp and --arch instead"
        raise UserError(f"CPU {name!r} is not in the table of processors", hint)
    return found


def of_cloud(arch: str | None, vendor: str) -> Product | None:
    """The product behind a part of ARM in the cloud that DMI names."""
    key = CLOUD_PARTS.get((arch or "", vendor))
    return product(key) if key else None
