"""A noisy channel around the methods of a run."""

import pandas as pd
import pytest

pytestmark = pytest.mark.workflow
OVERLAY = "channel: {snr_db: [-9, 0, 30], code_rate: ['1/2', {ssm: 2/3, coarse: 1/3}], realisations: 20}"


def test_a_channel_joins_a_finished_run_without_decoding(spare, tmp_path):
    overlay = tmp_path / "channel.yaml"
    overlay.write_text(OVERLAY)
    done = spare("--cores", 2, overlay=overlay)
    rules = {
        line.split()[1].rstrip(":") for line in done.stdout.splitlines() + done.stderr.splitlines() if "rule " in line
    }
    assert not rules & {"prepare", "segment", "encode", "decode", "look", "summarize"}
    points = pd.read_csv(spare.results / "tables" / "points.csv").set_index("method")
    table = pd.read_csv(spare.results / "tables" / "channel.csv").set_index(["method", "code_rate", "snr_db"])
    lost = table.xs("mean image").iloc[0]
    for method in points.index:
        high, low = table.loc[(method, "1/2", 30)], table.loc[(method, "1/2", -9)]
        assert (high["outage"], high["complete"], low["outage"], low["complete"]) == (0, 1, 1, 0)
        for metric in ("miou", "miou_independent", "miou_gt", "small_recall", "psnr", "ms_ssim"):
            assert high[metric] == points.loc[method, metric] and low[metric] == lost[metric]
    # at 0 dB the coarse image arrives alone, and the enlarged one is shown: the point of `upsampled`
    partly = table.loc[("spic", "ssm 2/3, coarse 1/3", 0)]
    assert (partly["outage"], partly["complete"], partly["psnr"]) == (0, 0, points.loc["upsampled", "psnr"])
    assert (spare.results / "figures" / "channel.svg").is_file() and (spare.results / "channel.html").is_file()


@pytest.mark.slow
def test_same_losses_at_any_number_of_cores(spare, tmp_path):
    overlay, found = tmp_path / "channel.yaml", []
    overlay.write_text(OVERLAY)
    for cores in (1, 2):
        spare("--cores", cores, "--forcerun", "channel", "--until", "channel", overlay=overlay)
        found.append((spare.results / "tables" / "channel.csv").read_bytes())
    assert found[0] == found[1]
