import bjontegaard
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.interpolate import Akima1DInterpolator, PchipInterpolator

from spic.errors import ConfigError, DataError
from spic.metrics import bd_metric, bd_rate

# The example of the package's README: libx265 with two presets, kbit/s and dB.
ANCHOR = ([9487.76, 4593.60, 2486.44, 1358.24], [40.037, 38.615, 36.845, 34.851])
TEST = ([9787.80, 4469.00, 2451.52, 1356.24], [40.121, 38.651, 36.970, 34.987])


def curve(x, y, interpolation):
    order = np.argsort(x)
    x, y = np.asarray(x)[order], np.asarray(y)[order]
    if interpolation == "cubic":
        return lambda at: np.polyval(np.polyfit(x, y, 3), at)
    return {"akima": Akima1DInterpolator, "pchip": PchipInterpolator}[interpolation](x, y)


def mean_difference(anchor, test, interpolation):
    low, high = max(min(anchor[0]), min(test[0])), min(max(anchor[0]), max(test[0]))
    a, b = curve(*anchor, interpolation), curve(*test, interpolation)
    return quad(lambda x: float(b(x) - a(x)), low, high, limit=200)[0] / (high - low)


@pytest.mark.parametrize("interpolation", ["akima", "pchip", "cubic"])
def test_the_packages_published_example(interpolation):
    rate = bd_rate(*ANCHOR, *TEST, interpolation=interpolation)
    metric = bd_metric(*ANCHOR, *TEST, interpolation=interpolation)
    assert rate.value == pytest.approx(bjontegaard.bd_rate(*ANCHOR, *TEST, method=interpolation), rel=1e-9)
    assert metric.value == pytest.approx(bjontegaard.bd_psnr(*ANCHOR, *TEST, method=interpolation), rel=1e-9)
    by_quality = [(values, np.log(rates)) for rates, values in (ANCHOR, TEST)]
    expected = 100 * np.expm1(mean_difference(*by_quality, interpolation))
    assert rate.value == pytest.approx(expected, rel=1e-6)
    by_rate = [(np.log(rates), values) for rates, values in (ANCHOR, TEST)]
    assert metric.value == pytest.approx(mean_difference(*by_rate, interpolation), rel=1e-6)
    assert rate.interpolation == metric.interpolation == interpolation
    assert rate.overlap == pytest.approx((40.037 - 34.987) / (40.121 - 34.851))


def test_akima_is_the_default_and_the_order_of_the_points_does_not_matter():
    assert bd_rate(*ANCHOR, *TEST).interpolation == bd_metric(*ANCHOR, *TEST).interpolation == "akima"
    shuffled = [[values[i] for i in (2, 0, 3, 1)] for values in TEST]
    assert bd_rate(*ANCHOR, *shuffled) == bd_rate(*ANCHOR, *TEST)
    assert bd_metric(*ANCHOR, *shuffled) == bd_metric(*ANCHOR, *TEST)


def test_known_deltas():
    rates, values = map(np.array, ANCHOR)
    assert bd_rate(*ANCHOR, 1.25 * rates, values).value == pytest.approx(25)
    assert bd_metric(*ANCHOR, rates, values + 0.5).value == pytest.approx(0.5)
    assert bd_rate(*ANCHOR, *ANCHOR).value == bd_metric(*ANCHOR, *ANCHOR).value == 0
    assert bd_rate(*ANCHOR, 0.5 * rates[:3], values[:3]).value == pytest.approx(-50, abs=2)  # another number of points
    distance = -values
    assert bd_rate(rates, distance, 1.25 * rates, distance, lower_is_better=True).value == pytest.approx(25)


def test_curves_that_do_not_overlap_are_refused():
    rates, values = map(np.array, ANCHOR)
    with pytest.raises(DataError, match="do not overlap in metric"):
        bd_rate(rates, values, rates, values + 20)
    with pytest.raises(DataError, match="do not overlap in rate"):
        bd_metric(rates, values, 100 * rates, values)
    with pytest.raises(DataError, match="do not overlap in rate"):
        bd_metric([1, 2], [1, 2], [2, 3], [1, 2])  # one shared end is no range


def test_a_metric_that_does_not_improve_has_no_bd_rate():
    rates, values = ANCHOR
    for bad in ([40.0, 38.6, 38.6, 34.9], [40.0, 41.0, 36.8, 34.9]):
        with pytest.raises(DataError, match="does not improve up to the rate"):
            bd_rate(rates, values, rates, bad)
        assert np.isfinite(bd_metric(rates, values, rates, bad).value)
    with pytest.raises(DataError, match="does not improve"):
        bd_rate(*ANCHOR, *TEST, lower_is_better=True)


def test_bad_curves_are_refused():
    rates, values = ANCHOR
    for bad in (
        (rates[:1], values[:1]),
        (rates[:3], values),
        ([*rates[:3], 0.0], values),
        ([*rates[:3], rates[2]], values),
        (rates, [*values[:3], float("inf")]),
        (rates, [*values[:3], float("nan")]),
        ([rates], [values]),
    ):
        for delta in (bd_rate, bd_metric):
            with pytest.raises(DataError):
                delta(*ANCHOR, *bad)
            with pytest.raises(DataError):
                delta(*bad, *ANCHOR)
    with pytest.raises(DataError, match="cubic needs 4 points"):
        bd_rate(*ANCHOR, rates[:3], values[:3], interpolation="cubic")
    with pytest.raises(ConfigError, match="interpolation"):
        bd_metric(*ANCHOR, *TEST, interpolation="linear")
