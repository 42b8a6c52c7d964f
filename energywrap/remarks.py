"""What a reader of a report must be told beside its numbers: gaps and warnings. Pure."""

from __future__ import annotations

from energywrap.model import Component, NotMeasured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings
    from energywrap.report import Facts

DISAGREE = 0.02  # two methods of counting CPU time differ by more than this part: say so
SMALL_SHARE = 0.1
NEIGHBOURS, LONG_S = 0.2, 1.0  # a part of the busy CPU time, and of one CPU, worth a word; in runs as long
SHORTEST_S = 0.05  # below, clocks and counters resolve too little to trust the energy


def not_measured(facts: Facts) -> tuple[NotMeasured, ...]:
    found = [
        NotMeasured(gap.what, gap.why, gap.fix)
        for gap in (*facts.skipped, *facts.total.skipped)
        if not gap.expected
    ]
    present = {energy.component for energy in facts.total.components}
    for component, name in ((Component.CPU, "CPU energy"), (Component.RAM, "memory energy")):
        if component not in present:
            found.append(NotMeasured(name, "no source could be read for it", "see `energywrap doctor`"))
    if Component.REST not in present:
        found.append(
            NotMeasured(
                "rest of the machine",
                "board, fans, disks and power supply loss have no counter and are not in the total",
                "a wall meter would show them",
            )
        )
    for name in facts.unread_gpus:
        found.append(
            NotMeasured(name, "it is on the PCI bus, but no source reads it", "see `energywrap doctor`")
        )
    if facts.extras.water:
        found += _waterless(facts)
    return tuple(dict.fromkeys(found))


def _waterless(facts: Facts) -> list[NotMeasured]:
    """The waters that were asked for and are known of nobody."""
    found = []
    if facts.facility.wue_l_per_kwh is None:
        found.append(NotMeasured("water at the site", f"none is published ({facts.facility.evidence})", None))
    if facts.around.grid_water is None:
        found.append(NotMeasured("water of the grid", f"the table has none of {facts.intensity.zone}", None))
    return found


def warnings(facts: Facts, settings: Settings) -> tuple[str, ...]:
    found = [*settings.warnings, *facts.warnings]
    if facts.place.warning and facts.intensity.quality not in ("given", "live"):
        found.append(facts.place.warning)
    if facts.intensity.caution:
        found.append(f"zone {facts.intensity.zone}: {facts.intensity.caution}")
    found.extend(facts.total.warnings)
    tree = facts.tree
    if tree.cpu_s is not None and tree.rusage_cpu_s is not None:
        apart = tree.cpu_s - tree.rusage_cpu_s
        if abs(apart) > max(DISAGREE * max(tree.cpu_s, tree.rusage_cpu_s), 0.05):
            found.append(
                f"{tree.method} counted {tree.cpu_s:.2f} CPU seconds, waiting for children "
                f"{tree.rusage_cpu_s:.2f}: some processes of the command were not waited for"
            )
    if facts.suspended_s > 0:
        found.append(f"the machine slept for {facts.suspended_s:.0f} s; no power is assumed for that time")
    if facts.share is not None and facts.share.value < SMALL_SHARE and facts.duration_s >= SHORTEST_S:
        found.append(
            "the command used little of the machine's busy CPU time: its share depends on what else ran, "
            "which its interval does not tell"
        )
    found.extend(_neighbours(facts))
    for energy in facts.total.components:
        if energy.shared is not None:
            found.append(f"{energy.component} {energy.device}: {energy.shared}; all of its energy is shown")
    if facts.duration_s < SHORTEST_S:
        found.append("the run was shorter than the meters resolve; repeat the command to compare energies")
    if facts.core_dumped:
        found.append("the command dumped core")
    return tuple(dict.fromkeys(found))


def _neighbours(facts: Facts) -> list[str]:
    """Other work that used a good part of the machine while the command ran."""
    if facts.busy_s is None or facts.tree.cpu_s is None or facts.duration_s < LONG_S:
        return []
    others_s = facts.busy_s - facts.tree.cpu_s - facts.own_run_cpu_s
    if others_s <= NEIGHBOURS * facts.busy_s or others_s < NEIGHBOURS * facts.duration_s:
        return []
    part = 100 * others_s / facts.busy_s
    return [
        f"other work on the machine used {part:.0f} % of its busy CPU time: the machine's energy holds it"
    ]
