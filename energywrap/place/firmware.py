"""Which cloud this machine is in, if any: by the names that its firmware has for it."""

from __future__ import annotations

import os

from energywrap.errors import printable
from energywrap.machine.firmware import is_guest
from energywrap.record import record

FOLDER = "class/dmi/id"
LONGEST = 64  # letters of a name that are shown
AZURE_TAG = "7783-7084-3265-9085-8269-3286-77"  # of Azure's chassis: Microsoft also makes laptops
# file, its beginning, the provider
NAMES = (
    ("sys_vendor", "Amazon EC2", "aws"),
    ("board_vendor", "Amazon EC2", "aws"),
    ("bios_vendor", "Amazon EC2", "aws"),
    ("product_name", "Google Compute Engine", "gcp"),
    ("chassis_asset_tag", AZURE_TAG, "azure"),
    ("chassis_asset_tag", "OracleCloud.com", "oci"),
    ("sys_vendor", "Hetzner", "hetzner"),
    ("sys_vendor", "Scaleway", "scaleway"),
    ("sys_vendor", "OVH", "ovh"),
)
ASKED = ("aws", "gcp", "azure", "oci", "hetzner")  # whose metadata service tells a region of the table
UNNAMED = "a virtual machine of a site that it does not name"


@record
class Cloud:
    """A provider, and the name that it was told by."""

    provider: str
    name: str

    @property
    def tells_region(self) -> bool:
        """Whether its metadata service can be asked for the region."""
        return self.provider in ASKED


def look(sysfs: str) -> tuple[Cloud | None, list[str]]:
    """The cloud of this machine, and what was seen; None where the firmware names none."""
    texts = {
        file: _text(os.path.join(sysfs, FOLDER, file)) for file in dict.fromkeys(row[0] for row in NAMES)
    }
    for file, beginning, provider in NAMES:
        if texts[file].startswith(beginning):
            cloud = Cloud(provider, printable(texts[file])[:LONGEST])
            return cloud, [f"firmware: {cloud.name}"]
    vendor, product = texts["sys_vendor"], texts["product_name"]
    if is_guest(vendor, product):
        return None, [f"firmware: {printable(vendor or product)[:LONGEST]}, {UNNAMED}"]
    return None, []


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(256).decode("utf-8", "replace").strip()
    except OSError:
        return ""
