"""AV1 as a peer of clips."""

import os

import numpy as np
import pytest

from spic.video.av1 import Av1Decoder, Av1Encoder


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="not on Linux")
def test_the_process_keeps_its_priority():
    """Where root runs SVT-AV1 it makes the process a real-time one, and with it all that the process starts later."""

    def policies():
        return {os.sched_getscheduler(int(thread)) for thread in os.listdir("/proc/self/task")}

    before, image = policies(), np.zeros((64, 128, 3), np.uint8)
    encoder, decoder = Av1Encoder((64, 128), 40, 10), Av1Decoder((64, 128))
    assert np.abs(decoder.decode(encoder.encode(image)).astype(int) - image).max() < 8
    assert policies() == before
    encoder.close()
    assert policies() == before
