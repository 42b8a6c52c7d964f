"""The options of `energywrap run`, declared once: for the parser, the help, the environment and the files."""

from __future__ import annotations

from energywrap.errors import UserError
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

NUMBER, TEXT, PATH, FLAG = "number", "text", "path", "flag"


@record
class Option:
    """One option: its flags, the kind of its value, its default, its limits and its words of help."""

    name: str
    flags: tuple[str, ...]
    kind: str
    metavar: str
    help: str
    default: str | float | bool | None = None
    low: float | None = None
    high: float | None = None
    in_files: bool = True
    many: bool = False  # may be given again and again: the values are joined by commas
    variables: tuple[str, ...] = ()  # further environment variables beside ENERGYWRAP_<NAME>


OPTIONS = (
    Option("output", ("--output", "-o"), PATH, "FILE",
           "Write the JSON report to FILE (default: one file per run in the user's state directory)."),
    Option("interval", ("--interval", "-i"), NUMBER, "SECONDS",
           "Time between two readings; counters are read at least every 10 s.", 1.0, 0.01, 3600.0),
    Option("zone", ("--zone", "-z"), TEXT, "ZONE",
           "Grid zone such as FR, US-CA or SE-SE3; see `energywrap zones` (default: by the time zone)."),
    Option("region", ("--region",), TEXT, "PROVIDER:REGION",
           "Cloud region such as aws:eu-west-1, for its grid zone, PUE and water."),
    Option("detect_cloud", ("--detect-cloud",), FLAG, "",
           "Ask the cloud's link-local metadata service for the region while the command runs.", False),
    Option("grid", ("--grid",), TEXT, "PROVIDER[:ZONE]",
           "Ask a live provider for the carbon intensity while the command runs: energy-charts, neso or "
           "electricity-maps."),
    Option("wait_for_green", ("--wait-for-green",), TEXT, "MAX",
           "With --grid: wait for the greenest time to start, at most so long (90m, 6h, 1d)."),
    Option("lasting", ("--lasting",), TEXT, "DURATION",
           "How long the command will take, to find the greenest window for it (1h).", "1h"),
    Option("intensity", ("--intensity",), NUMBER, "G_PER_KWH",
           "Carbon intensity instead of the yearly table's, in grams of CO2e per kWh.", None, 0.0, 5000.0),
    Option("pue", ("--pue",), NUMBER, "RATIO",
           "Power usage effectiveness: facility energy over IT energy, at least 1.", None, 1.0, 10.0),
    Option("site", ("--site",), TEXT, "SITE",
           "Kind of site, for its usual PUE: local, server-room, average, aws, gcp, azure, ...", "local"),
    Option("include", ("--include",), TEXT, "LINE",
           "Count a further line in the total: embodied, network or storage.", many=True),
    Option("per", ("--per",), TEXT, "NAME=COUNT",
           "Give the software carbon intensity (ISO/IEC 21031) per unit: so many NAMEs, or NAME=/PATTERN/ "
           "for the number that the pattern's first group finds in the command's standard output."),
    Option("stores", ("--stores",), TEXT, "SIZE",
           "What the run keeps in remote storage (20GB, 1TB), with --for."),
    Option("for_days", ("--for", "--for-days"), NUMBER, "DAYS", "How long that is kept.", None, 0.0, 36525.0),
    Option("water", ("--water",), FLAG, "", "Add the water used at the site and by the grid.", False),
    Option("price", ("--price",), TEXT, "AMOUNT",
           "Price of a kWh with its currency, such as 0.30EUR: adds the cost."),
    Option("embodied_kg", ("--embodied-kg",), NUMBER, "KG",
           "CO2e of making the whole machine without GPUs, instead of the usual one of its kind.",
           None, 0.0, 1e6),
    Option("gpu_embodied_kg", ("--gpu-embodied-kg",), NUMBER, "KG", "CO2e of making one GPU.",
           None, 0.0, 1e5),
    Option("lifetime_years", ("--lifetime-years",), NUMBER, "YEARS",
           "Years over which the making is spread.", None, 0.1, 50.0),
    Option("label", ("--label", "-l"), TEXT, "TEXT", "A name for this run, kept in the report."),
    Option("project", ("--project", "-p"), TEXT, "TEXT", "The project that this run belongs to."),
    Option("stage", ("--stage",), TEXT, "STAGE",
           "What the run is for, to sum by: training, tuning, inference, data, ..."),
    Option("ledger", ("--ledger",), TEXT, "FILE|URL",
           "Keep the run's report in this ledger: a file, or postgresql://... (default: one of the user's)."),
    Option("no_ledger", ("--no-ledger",), FLAG, "", "Keep no record of this run in the ledger.", False),
    Option("max_energy", ("--max-energy",), TEXT, "AMOUNT",
           "Warn at 80 % and at 100 % of this energy of the machine (2MJ, 0.5kWh); see --on-exceed."),
    Option("max_co2e", ("--max-co2e",), TEXT, "AMOUNT", "The same for its CO2e (500g)."),
    Option("on_exceed", ("--on-exceed",), TEXT, "warn|term",
           "At a limit: only warn, or end the command by TERM and later KILL; then the status is 124.",
           "warn"),
    Option("grace", ("--grace",), NUMBER, "SECONDS", "Time between TERM and KILL.", 10.0, 0.0, 3600.0),
    Option("ci", ("--ci",), TEXT, "TARGETS",
           "After the run, write its figures for github, gitlab, jenkins, github-action-benchmark or bencher "
           "(comma list); auto: what GitHub Actions names; off.", "auto"),
    Option("config", ("--config",), PATH, "FILE",
           "Read settings from FILE instead of ./energywrap.toml or [tool.energywrap] in ./pyproject.toml.",
           in_files=False),
    Option("source", ("--source",), TEXT, "NAME=off|only",
           "Leave a source out, or open no other (again and again, or separated by commas); see doctor.",
           many=True),
    Option("meter", ("--meter",), TEXT, "KIND+URL",
           "A meter of the whole machine to ask while the command runs: shelly1+http://HOST, "
           "shelly2+http://HOST, tasmota+http://HOST or snmp+HOST.", many=True),
    Option("sudo", ("--sudo",), FLAG, "",
           "Let meters that only root may read be asked by `sudo -n` (ipmitool, powermetrics); it never asks "
           "for a password.", False),
    Option("baseline", ("--baseline",), NUMBER, "SECONDS",
           "Measure the idle machine for so long just before the command starts (default: what `energywrap "
           "calibrate` has kept).", None, 1.0, 3600.0),
    Option("cpu", ("--cpu",), TEXT, "NAME",
           "The processor, where the power model does not recognise it; see `energywrap model`."),
    Option("tdp", ("--tdp",), NUMBER, "WATTS", "Thermal design power of one socket.", None, 0.5, 5000.0),
    Option("sockets", ("--sockets",), NUMBER, "N", "Sockets of the machine (of the host).", None, 1.0, 64.0),
    Option("memory_gb", ("--memory-gb",), NUMBER, "GB", "Memory of the machine.", None, 0.05, 1e6),
    Option("arch", ("--arch",), TEXT, "NAME", "Generation of the processor, such as zen3."),
    Option("no_rest", ("--no-rest",), FLAG, "",
           "Leave out the modelled power of board, fans, disks and power supply.", False),
    Option("quiet", ("--quiet", "-q"), FLAG, "", "Print no table; the JSON report is still written.", False),
    Option("strict", ("--strict",), FLAG, "",
           "Exit with 125 when the command succeeded but its report could not be written.", False),
    Option("no_color", ("--no-color",), FLAG, "", "No colours in the table (also NO_COLOR).", False,
           variables=("NO_COLOR",)),
    Option("no_die_with_parent", ("--no-die-with-parent",), FLAG, "",
           "Let the command live on when energywrap itself is killed by SIGKILL.", False),
    Option("sysfs_root", ("--sysfs-root",), PATH, "DIR",
           "Where sysfs is mounted, when a container hides parts of /sys.", "/sys",
           variables=("ENERGYWRAP_SYSFS",)),
)  # fmt: skip

BY_NAME = {option.name: option for option in OPTIONS}
BY_FLAG = {flag: option for option in OPTIONS for flag in option.flags}
HELP_FLAGS = ("--help", "-h")
USAGE = "energywrap run [OPTIONS] [--] COMMAND [ARGS]..."


class HelpWanted(Exception):
    """The user asked for the help text."""


def parse(argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Split what follows `run` into the given options and the command.

    Options end at `--` or at the first word that is none; everything from there on is the command's.
    A flag's value is "true". Raises UserError for an option that does not exist or lacks its value, and
    for a missing command; HelpWanted for --help.
    """
    given: dict[str, str] = {}
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            rest.insert(0, word)
            break
        if word.startswith("--"):
            _long(word, rest, given)
        else:
            _short(word, rest, given)
    if not rest:
        raise UserError("no command given", f"usage: {USAGE}")
    return given, rest


def _long(word: str, rest: list[str], given: dict[str, str]) -> None:
    flag, equals, value = word.partition("=")
    option = _known(flag)
    if option.kind == FLAG:
        if equals:
            raise UserError(f"{flag} takes no value", f"write {flag} alone")
        given[option.name] = "true"
    else:
        _take(option, value if equals else _next(flag, option, rest), given)


def _short(word: str, rest: list[str], given: dict[str, str]) -> None:
    letters = word[1:]
    while letters:
        flag, letters = "-" + letters[0], letters[1:]
        option = _known(flag)
        if option.kind == FLAG:
            given[option.name] = "true"
        else:
            _take(option, letters or _next(flag, option, rest), given)
            return


def _take(option: Option, value: str, given: dict[str, str]) -> None:
    """Of an option given twice the last value counts, unless it may be given many times."""
    before = given.get(option.name)
    given[option.name] = f"{before},{value}" if option.many and before is not None else value


def _next(flag: str, option: Option, rest: list[str]) -> str:
    if not rest:
        raise UserError(f"{flag} needs a value", f"write {flag} {option.metavar}")
    return rest.pop(0)


def _known(flag: str) -> Option:
    if flag in HELP_FLAGS:
        raise HelpWanted
    option = BY_FLAG.get(flag)
    if option is None:
        from difflib import get_close_matches  # only here: the command will not run

        close = get_close_matches(flag, BY_FLAG, 1, 0.7)
        meant = f"did you mean {close[0]}?" if close else "see energywrap run --help"
        raise UserError(f"unknown option {flag}", f"{meant} (options of the command go after its name)")
    return option
