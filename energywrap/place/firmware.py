"""Which cloud this machine is in, if any: by the names that its firmware has for it."""

from __future__ import annotations

import os

from energywrap.record import record

FOLDER = "class/dmi/id"
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


@record
class Cloud:
    """A provider, and the name that it was told by."""

    provider: str
    name: str


def cloud(sysfs: str) -> Cloud | None:
    """The cloud of this machine; None where the firmware names none."""
    for file, beginning, provider in NAMES:
        text = _text(os.path.join(sysfs, FOLDER, file))
        if text.startswith(beginning):
            return Cloud(provider, text)
    return None


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(256).decode("utf-8", "replace").strip()
    except OSError:
        return ""
