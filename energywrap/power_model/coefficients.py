"""The fitted numbers of the power model: facts about servers in general, no published result among them.

Fitted in 2026 on 1,074 SPECpower_ssj2008 results, retrieved from public mirrors in June 2022 and March 2026
(data/SOURCES.md). SPEC and SPECpower_ssj are trademarks of the Standard Performance Evaluation Corporation.
"""

from __future__ import annotations

from energywrap.power_model.products import PRODUCTS
from energywrap.record import record


@record
class Arch:
    """A micro-architecture: its deviations from the common fit (logs of W) and the shape of its curve."""

    year: float
    vendor: str
    client: bool
    d_idle: float
    d_peak: float
    s: float  # how early the power rises
    q: float  # how much it bends upwards
    cores: int  # of the usual product, per socket


@record
class Known:
    """The fit that goes with effects of single products: logs of W, idle and peak."""

    idle: tuple[float, ...]
    peak: tuple[float, ...]
    archs: dict[str, tuple[float, float]]
    products: dict[str, tuple[float, float]]


@record
class Coefficients:
    """All that the evaluator is fed with: weights in logs of W and GB; years are (year - 2015) / 5."""

    # of 1, ln TDP, ln sockets, ln GB, years before 2015, years after, amd, client, arm
    idle: tuple[float, ...]
    peak: tuple[float, ...]
    tdp: tuple[float, ...]  # of 1, ln cores per socket, years, amd, client
    memory: tuple[float, ...]  # of 1, ln cores, years
    archs: dict[str, Arch]
    classes: dict[str, Arch]  # of a vendor's servers and clients, for an arch that was not there
    known: Known | None = None
    workload_sigma: float = 0.20  # spread over kinds of work at full load, TU Dresden's nine kernels


# fmt: off
ARCHS = {  # year, vendor, client, d_idle, d_peak, s, q, cores per socket
    "netburst": Arch(2005, "intel", False, 0.0529, -0.0368, 0.0212, 0.0497, 1),
    "k8": Arch(2006, "amd", False, -0.0044, 0.0053, 0.0986, -0.2368, 2),
    "core": Arch(2007, "intel", False, 0.1584, 0.0279, 0.096, 0.0172, 4),
    "k10": Arch(2008, "amd", False, -0.078, -0.058, 0.0833, -0.0932, 6),
    "nehalem": Arch(2009, "intel", False, -0.1021, -0.0037, 0.1381, 0.1668, 4),
    "westmere": Arch(2010, "intel", False, -0.1325, -0.0397, 0.1949, 0.2146, 6),
    "bulldozer": Arch(2011, "amd", False, -0.0463, 0.0823, 0.1215, -0.0484, 16),
    "piledriver": Arch(2012, "amd", False, 0.0322, 0.0554, 0.1025, 0.0278, 16),
    "sandybridge": Arch(2012, "intel", False, -0.0226, 0.0394, 0.0757, 0.4225, 8),
    "ivybridge": Arch(2013, "intel", False, 0.1337, 0.0545, 0.1369, 0.364, 4),
    "haswell": Arch(2014, "intel", False, -0.0469, 0.0016, 0.1497, 0.3629, 18),
    "broadwell": Arch(2016, "intel", False, -0.0401, -0.0174, 0.1718, 0.4068, 22),
    "skylake-client": Arch(2016, "intel", True, 0.0604, 0.0114, 0.0779, 0.409, 4),
    "kabylake": Arch(2017, "intel", True, -0.0841, -0.0544, 0.0661, 0.4212, 4),
    "skylake-sp": Arch(2017, "intel", False, -0.1423, 0.0722, 0.149, 0.4216, 28),
    "zen1": Arch(2017, "amd", False, 0.2677, -0.0555, 0.2198, 0.1694, 32),
    "coffeelake": Arch(2018, "intel", True, -0.099, -0.0481, 0.0163, 0.4983, 6),
    "cascadelake": Arch(2019, "intel", False, -0.1761, -0.0083, 0.1403, 0.4242, 28),
    "neoverse-n1": Arch(2019, "arm", False, -0.05, -0.025, 0.1298, 0.4499, 128),
    "zen2": Arch(2019, "amd", False, 0.2055, -0.0009, 0.248, 0.1247, 64),
    "cooperlake": Arch(2020, "intel", False, -0.0098, -0.0365, 0.1453, 0.4374, 28),
    "icelake-sp": Arch(2021, "intel", False, 0.2029, 0.0487, 0.0893, 0.5012, 40),
    "rocketlake": Arch(2021, "intel", True, -0.0952, -0.104, 0.0531, 0.4311, 8),
    "zen3": Arch(2021, "amd", False, 0.0416, -0.0479, 0.167, 0.248, 64),
    "zen4": Arch(2022, "amd", False, -0.0288, 0.0278, 0.1458, 0.2492, 96),
    "emeraldrapids": Arch(2023, "intel", False, 0.1092, 0.0062, 0.104, 0.4528, 64),
    "neoverse-v2": Arch(2023, "arm", False, 0.05, 0.025, 0.1145, 0.4531, 144),
    "raptorlake": Arch(2023, "intel", True, -0.1632, -0.0408, 0.0894, 0.3915, 8),
    "sapphirerapids": Arch(2023, "intel", False, 0.2403, 0.0814, 0.0888, 0.4562, 56),
    "zen4c": Arch(2023, "amd", False, -0.0892, -0.0311, 0.1764, 0.2278, 128),
    "arrowlake": Arch(2024, "intel", True, 0.0155, 0.0328, 0.0284, 0.426, 16),
    "graniterapids": Arch(2024, "intel", False, 0.1706, 0.0792, 0.1107, 0.453, 86),
    "sierraforest": Arch(2024, "intel", False, 0.12, -0.0388, 0.1107, 0.453, 144),
    "zen4-am5": Arch(2024, "amd", True, 0.0566, -0.0066, 0.1229, 0.1941, 12),
    "zen5": Arch(2024, "amd", False, -0.1018, -0.0015, 0.2052, 0.2212, 96),
    "zen5c": Arch(2024, "amd", False, -0.1588, -0.0192, 0.1818, 0.2194, 160),
    "bartlett": Arch(2025, "intel", True, -0.15, -0.0268, 0.0246, 0.4259, 8),
    "zen5-am5": Arch(2025, "amd", True, -0.0963, 0.05, 0.1263, 0.1999, 12),
}
CLASSES = {
    "intel-server": Arch(2021, "intel", False, 0.0, 0.0, 0.1222, 0.4533, 32),
    "intel-client": Arch(2021, "intel", True, 0.0, 0.0, 0.0399, 0.4262, 32),
    "amd-server": Arch(2021, "amd", False, 0.0, 0.0, 0.195, 0.2037, 32),
    "amd-client": Arch(2021, "amd", True, 0.0, 0.0, 0.1162, 0.1825, 32),
    "arm": Arch(2021, "arm", False, 0.0, 0.0, 0.1222, 0.4533, 32),
}
# generations of which there is no result: the class with its own year
UNSEEN = {
    "arm-a72": Arch(2018, "arm", False, 0.0, 0.0, 0.1222, 0.4533, 16),
    "neoverse-v1": Arch(2022, "arm", False, 0.0, 0.0, 0.1222, 0.4533, 64),
    "neoverse-n2": Arch(2023, "arm", False, 0.0, 0.0, 0.1222, 0.4533, 128),
}
KNOWN_ARCHS = {  # d_idle, d_peak beside the effects of products
    "arrowlake": (0.0086, 0.005), "bartlett": (-0.0802, -0.0103), "broadwell": (-0.0042, 0.0125),
    "bulldozer": (-0.0429, 0.0251), "cascadelake": (-0.0709, -0.0142), "coffeelake": (-0.0502, -0.0317),
    "cooperlake": (-0.0471, -0.0232), "core": (0.1417, 0.0334), "emeraldrapids": (-0.0501, -0.0048),
    "graniterapids": (0.0546, 0.0138), "haswell": (0.0241, 0.0307), "icelake-sp": (0.1667, 0.0297),
    "ivybridge": (0.1029, 0.0191), "k10": (-0.0557, -0.0256), "k8": (-0.0049, 0.0046),
    "kabylake": (-0.0417, -0.0195), "nehalem": (-0.0577, 0.0001), "neoverse-n1": (-0.0355, -0.0155),
    "neoverse-v2": (0.0355, 0.0155), "netburst": (0.0166, -0.0187), "piledriver": (-0.0034, 0.0218),
    "raptorlake": (-0.0497, -0.0107), "rocketlake": (-0.0713, -0.0361), "sandybridge": (-0.0449, -0.0148),
    "sapphirerapids": (0.15, 0.0431), "sierraforest": (0.0463, 0.0001), "skylake-client": (0.0341, 0.01),
    "skylake-sp": (-0.0911, 0.0133), "westmere": (-0.0863, -0.0267), "zen1": (0.1201, -0.0228),
    "zen2": (0.0917, 0.0071), "zen3": (0.0015, -0.01), "zen4": (-0.0261, 0.0067),
    "zen4-am5": (0.0322, -0.0048), "zen4c": (0.0629, -0.0167), "zen5": (-0.0617, -0.0001),
    "zen5-am5": (-0.0419, 0.0221), "zen5c": (-0.0717, -0.0075),
}
SHIPPED = Coefficients(
    idle=(1.3028, 0.1848, 0.427, 0.2726, -1.0843, 0.3748, -0.0882, -0.2845, 0.5583),
    peak=(1.0921, 0.6536, 0.1381, 0.1749, -0.4559, 0.0991, -0.1421, -0.2061, -0.2852),
    tdp=(3.6094, 0.497, -0.0463, -0.1454, -0.0141),
    memory=(1.161, 0.8412, 0.3846),
    archs=ARCHS,
    classes=CLASSES,
    known=Known(
        idle=(1.1723, 0.2601, 0.3965, 0.2322, -1.0382, 0.3606, -0.0833, -0.2977, 0.5078),
        peak=(1.0952, 0.67, 0.1377, 0.1589, -0.4169, 0.0954, -0.1497, -0.1892, -0.2908),
        archs=KNOWN_ARCHS,
        products=PRODUCTS,
    ),
)
# fmt: on
