import math

import numpy as np
import pytest

from spic.codecs import get_codec
from spic.errors import ConfigError, DataError
from spic.metrics import at_rate, bpp, find_quality, find_setting, rate_at


def counted(function):
    asked = []

    def rate(setting):
        asked.append(setting)
        return function(setting)

    return rate, asked


def bpg_like(qp):
    return 6.0 * 2 ** (-qp / 6)


@pytest.mark.parametrize("target", [0.05, 0.1, 0.166, 0.5, 1.3])
def test_integer_settings_end_at_the_closest_rate(target):
    rate, asked = counted(bpg_like)
    match = find_setting(rate, target, 0, 51)
    best = min(range(52), key=lambda qp: abs(math.log(bpg_like(qp) / target)))
    assert match == (best, bpg_like(best), "met") and isinstance(match.setting, int)
    assert len(asked) == len(set(asked)) <= 8


def test_float_settings_end_within_the_tolerance():
    rate, asked = counted(lambda setting: 0.1 + 0.9 * setting**2)
    match = find_setting(rate, 0.4, 0.01, 3.0, step=0, tolerance=0.001)
    assert match.status == "met" and match.rate == pytest.approx(0.4, rel=0.0011)
    assert match.setting == pytest.approx(math.sqrt(1 / 3), rel=0.01)
    assert len(asked) == len(set(asked)) < 20


@pytest.mark.parametrize(("low", "high", "step"), [(0, 51, 1), (8, 64, 8), (10, 31, 4), (0.5, 9, 0.25)])
@pytest.mark.parametrize("rate_of", [bpg_like, lambda setting: 0.01 * setting + 0.003], ids=["falling", "rising"])
def test_steps_end_as_trying_every_setting_does(low, high, step, rate_of):
    settings = np.arange(low, high + 1e-9, step).tolist()
    rates = [rate_of(setting) for setting in settings]
    for target in np.geomspace(min(rates) / 2, 2 * max(rates), 37):
        near = find_setting(rate_of, target, low, high, step=step)
        if near.setting is not None:
            best = min(settings, key=lambda setting: abs(math.log(rate_of(setting) / target)))
            assert near.setting == best and type(near.setting) is type(low + step)
        below = [setting for setting in settings if rate_of(setting) <= target]
        found = find_setting(rate_of, target, low, high, step=step, at_most=True)
        if below:
            best = max(below, key=rate_of)
            assert found == (best, rate_of(best), "met")
        else:
            assert found == (None, min(rates), "unreachable")


def test_any_number_at_most_a_rate():
    for target in (0.05, 0.4, 2.9):
        match = find_setting(lambda setting: setting**1.5, target, 0.1, 2, step=0, at_most=True)
        assert target / 1.02 <= match.rate <= target or match.setting == 2
    assert find_setting(lambda setting: setting, 0.0995, 0.1, 2, step=0, at_most=True).status == "unreachable"


def test_a_setting_that_is_the_rate_is_tried_once():
    rate, asked = counted(lambda setting: 0.98 * setting)
    assert find_quality("bpp", (0.01, 24, 0), rate, 0.5) == (0.5, 0.49, "met") and asked == [0.5]
    assert find_quality("bpp", (0.01, 24, 0), rate, 99).setting == 24
    assert find_quality("qp", (0, 51, 1), bpg_like, 0.5) == find_setting(bpg_like, 0.5, 0, 51)


def test_rates_outside_what_a_codec_can_do_are_unreachable():
    def floor(quality):
        return 0.2 + quality / 100

    assert find_setting(floor, 0.1, 1, 95) == (None, floor(1), "unreachable")
    assert find_setting(floor, 2.0, 1, 95) == (None, floor(95), "unreachable")
    assert find_setting(floor, 0.209, 1, 95) == (1, floor(1), "met")  # within 2 % of the floor
    assert find_setting(bpg_like, 7.0, 0, 51) == (None, 6.0, "unreachable")
    assert find_setting(lambda setting: 0.3, 0.3, 0, 5).status == "met"


def test_kinks_still_end_where_the_rate_crosses_the_target():
    rates = [0.1, 0.3, 0.2, 0.25, 0.6, 0.5, 0.9]
    match = find_setting(lambda setting: rates[setting], 0.45, 0, 6)
    neighbours = rates[max(0, match.setting - 1) : match.setting + 2]
    assert match.status == "met" and min(neighbours) <= 0.45 <= max(neighbours)


def test_a_jump_over_the_target_ends_and_says_its_rate():
    match = find_setting(lambda setting: 0.1 if setting < 1.5 else 0.9, 0.4, 0.0, 4.0, step=0)
    assert match.setting == pytest.approx(1.5) and match.rate == 0.9


def test_a_real_codec():
    random = np.random.default_rng(0)
    picture = np.kron(random.integers(0, 256, (16, 32, 3)), np.ones((4, 4, 1))).astype(np.uint8)
    codec = get_codec("jpeg2000")

    def rate(setting):
        return bpp(len(codec.encode(picture, **{codec.quality_name: setting})), 64, 128)

    match = find_setting(rate, 1.5, 0.2, 8.0, step=0, tolerance=0.05)
    assert match.status == "met" and match.rate == pytest.approx(1.5, rel=0.06)


def test_impossible_searches_are_refused():
    for target, low, high, options in (
        (0, 1, 2, {}),
        (math.inf, 1, 2, {}),
        (1, 2, 2, {}),
        (1, 0, 3, {"step": -1}),
        (1, 0, 3, {"step": 4}),
        (1, 0, 3, {"tolerance": 0}),
    ):
        with pytest.raises(ConfigError):
            find_setting(bpg_like, target, low, high, **options)
    for rate in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(DataError, match="the rate at"):
            find_setting(lambda setting, rate=rate: rate, 1.0, 0, 3)


def test_values_are_read_off_over_the_logarithm_of_the_rate():
    rates, values = [0.4, 0.1, 0.2], [0.9, 0.5, 0.7]
    assert at_rate(rates, values, 0.2) == pytest.approx(0.7)
    assert at_rate(rates, values, math.sqrt(0.1 * 0.2)) == pytest.approx(0.6)
    assert at_rate(rates, values, 0.3) == pytest.approx(0.7 + 0.2 * math.log2(1.5))
    assert rate_at(rates, values, 0.6) == pytest.approx(math.sqrt(0.1 * 0.2))
    assert rate_at(rates, values, 0.5) == pytest.approx(0.1) and rate_at(rates, values, 0.9) == pytest.approx(0.4)


def test_nothing_is_extrapolated():
    rates, values = [0.1, 0.2, 0.4], [0.5, 0.7, 0.9]
    for rate in (0.0999, 0.4001, 0, -1, math.nan):
        assert math.isnan(at_rate(rates, values, rate))
    assert at_rate(rates, values, 0.1) == 0.5 and at_rate(rates, values, 0.4) == pytest.approx(0.9)
    for value in (0.49, 0.91, math.nan):
        assert math.isnan(rate_at(rates, values, value))
    assert math.isnan(at_rate([], [], 0.1)) and math.isnan(rate_at([], [], 0.1))
    assert at_rate([0.1], [0.5], 0.1) == 0.5 and math.isnan(at_rate([0.1], [0.5], 0.2))


def test_points_without_a_value_are_left_out_and_the_first_crossing_counts():
    rates = [0.1, 0.2, 0.4, 0.8]
    assert at_rate(rates, [0.1, math.nan, 0.3, math.inf], 0.2) == pytest.approx(0.2)
    assert math.isnan(at_rate(rates, [0.1, math.nan, 0.3, math.inf], 0.5))
    assert rate_at(rates, [0.1, 0.5, 0.3, 0.9], 0.4) == pytest.approx(0.1 * 2**0.75)
    assert rate_at(rates, [9, 5, 3, 1], 4) == pytest.approx(0.2 * 2**0.5)  # falling, as distances do


def test_bad_curves_are_refused():
    for rates, values in (([0.1, 0.2], [1]), ([0.1, 0.1], [1, 2]), ([0, 0.1], [1, 2]), ([math.nan, 1], [1, 2])):
        with pytest.raises(DataError):
            at_rate(rates, values, 0.1)
        with pytest.raises(DataError):
            rate_at(rates, values, 1)
