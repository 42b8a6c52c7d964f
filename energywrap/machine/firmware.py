"""Whether the firmware's names are those of a virtual machine: ARM has no flag that would say so."""

from __future__ import annotations

VENDORS = ("QEMU", "Hetzner", "Alibaba Cloud", "DigitalOcean", "Xen", "innotek GmbH", "Scaleway")
PRODUCTS = (
    "Virtual Machine",
    "Google Compute Engine",
    "KVM",
    "VMware",
    "VirtualBox",
    "OpenStack",
    "HVM domU",
)
AMAZON, METAL = "Amazon EC2", ".metal"  # there the product is the kind of instance


def is_guest(vendor: str, product: str) -> bool:
    """Whether `sys_vendor` and `product_name`, or Windows' names for them, are a hypervisor's."""
    if vendor == AMAZON:
        return METAL not in product
    return vendor in VENDORS or product.startswith(PRODUCTS)
