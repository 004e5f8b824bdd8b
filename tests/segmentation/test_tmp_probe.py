import numpy as np
def test_u(tiny_segmenter):
    from spic.segmentation import get_segmenter
    s=get_segmenter("street",tiny_segmenter,"cpu","float32")
    m=s.segment(np.random.default_rng(0).integers(256, size=(5, 32, 48, 3), dtype=np.uint8))
    print(np.unique(m,return_counts=True))
