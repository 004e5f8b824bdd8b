"""Block error rates of the usual codes: python benchmarks/channel.py [--words N], writes spic/channel/measured.json.

Random packets of 128 bytes, no fading, 20 iterations of belief propagation, in steps of 0.25 dB from the SNR at which
all are lost to the one at which none of N is. Codes that the file has are left alone. About a minute per code. The
file in the repository has N = 2000 for QPSK and 1000 for the others.
"""

import argparse
import json
import time

from spic.channel.losses import MEASURED, WORDS, measure, read_measured, standard_codes
from spic.files import write_bytes
from spic.machine import set_threads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=WORDS)
    arguments = parser.parse_args()
    set_threads(1)
    known = read_measured() if MEASURED.exists() else {}
    for code in standard_codes():
        if code.name not in known:
            began = time.perf_counter()
            known[code.name] = measure(code, words=arguments.words)
            lines = [f"{json.dumps(name)}: {json.dumps(rows)}" for name, rows in known.items()]
            write_bytes(MEASURED, ("{\n" + ",\n".join(lines) + "\n}\n").encode())
            print(f"{code.name}: {time.perf_counter() - began:.0f} s, {known[code.name]}", flush=True)


if __name__ == "__main__":
    main()
