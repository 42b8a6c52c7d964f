"""Wall power of a whole machine: idle, peak, and the curve between them.

Formulas and their sources: docs/power-model.md.
"""

from __future__ import annotations

from math import exp, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from energywrap.power_model.assume import Host
    from energywrap.power_model.coefficients import Arch, Coefficients, Known

RISE = 0.05  # of utilisation: the first threads wake what all share
MOST_IDLE = 0.8  # of peak
PRIOR = 8.0  # instants of constant load that are believed before the first one is seen
# a pegged thread gets a core of its own, at turbo: set on ten machines with RAPL
BUSY_WAKE, BUSY_CORES, BUSY_THREADS = 0.15, 0.65, 0.35


def anchors(host: Host, given: Coefficients) -> tuple[float, float]:
    """Idle and peak W of the machine."""
    return _anchors(host, given, host.arch.d_idle, host.arch.d_peak)


def known_anchors(host: Host, known: Known, arch: str, cpu: str) -> tuple[float, float]:
    """Idle and peak W of a machine with a product that has been measured."""
    d_idle, d_peak = known.archs[arch]
    own_idle, own_peak = known.products[cpu]
    return _anchors(host, known, d_idle + own_idle, d_peak + own_peak)


def _anchors(host: Host, fit: Coefficients | Known, d_idle: float, d_peak: float) -> tuple[float, float]:
    features = _features(host)
    peak_w = exp(_dot(fit.peak, features) + d_peak)
    return min(exp(_dot(fit.idle, features) + d_idle), MOST_IDLE * peak_w), peak_w


def _features(host: Host) -> tuple[float, ...]:
    return (
        1.0,
        log(host.tdp_w * host.sockets),
        log(host.sockets),
        log(host.memory_gb),
        min(host.years, 0.0),
        max(host.years, 0.0),
        host.vendor == "amd",
        host.client,
        host.vendor == "arm",
    )


def spread(arch: Arch, u: float) -> float:
    """Share of the way from idle to peak, at `u` of the load spread over all threads (as SPECpower does)."""
    return min(1.0, max(0.0, _bend(arch, u) / _bend(arch, 1.0)))


def busy(threads_per_core: int, u: float) -> float:
    """The same where a share `u` of the threads is pegged and the others idle."""
    cores = BUSY_CORES * min(1.0, threads_per_core * u) + BUSY_THREADS * u
    return BUSY_WAKE * _wake(u) / _wake(1.0) + (1 - BUSY_WAKE) * cores


def rise(arch: Arch, threads_per_core: int, u: float, packed: float) -> float:
    """Share of the way from idle to peak, between the two."""
    return (1 - packed) * spread(arch, u) + packed * busy(threads_per_core, u)


def packedness(utilisations: Sequence[float]) -> float:
    """From each thread's utilisation: 0 where the load is spread evenly, 1 where each is pegged or idle."""
    count = len(utilisations)
    mean = sum(utilisations) / count if count else 0.0
    if not 0 < mean < 1:
        return 0.0
    variance = sum((u - mean) ** 2 for u in utilisations) / count
    return min(1.0, max(0.0, variance / (mean * (1 - mean))))


class Concentration:
    """How the load lies, by how many threads were running at instants; what CPUs' means over a second hide.

    One busy thread that wanders over two CPUs makes each of them half busy, as two threads do that rest half
    of the time each. But of the one, a constant number is running; of independent threads, a number with the
    variance n m (1 - m) of a binomial distribution (n threads, mean utilisation m).
    """

    def __init__(self) -> None:
        self._squares = self._independent = 0.0
        self._count = self._sum = self._sum_of_squares = 0  # since the last step whose utilisation is known
        self._told = False

    def see(self, running: int, threads: int) -> None:
        """At one instant so many threads were running or waiting to."""
        k, self._told = min(running, threads), True
        self._count += 1
        self._sum += k
        self._sum_of_squares += k * k

    def step(self, mean: float, threads: int, *, settled: bool) -> float:
        """0 where the load varies as independent threads' does, 1 where it is constant; of the run so far.

        `mean` is the utilisation since the last settled step. Until many instants have been seen, constant
        is assumed: what is wrapped is most often a few busy threads. 0 where no instant was seen at all.
        """
        if not self._told:
            return 0.0
        wanted = threads * mean
        squares = self._squares + self._sum_of_squares - 2 * wanted * self._sum + self._count * wanted**2
        independent = self._independent + self._count * wanted * (1 - mean)
        if settled:
            self._squares, self._independent = squares, independent
            self._count = self._sum = self._sum_of_squares = 0
        return min(1.0, max(0.0, 1 - squares / (independent + PRIOR * threads / 4)))


def _bend(arch: Arch, u: float) -> float:
    return u + arch.s * (_wake(u) - u) + arch.q * (u**3 - u)


def _wake(u: float) -> float:
    return 1 - exp(-u / RISE)


def _dot(weights: Sequence[float], features: Sequence[float]) -> float:
    return sum([weight * feature for weight, feature in zip(weights, features)])
