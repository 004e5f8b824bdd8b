# spic on the CPU, by the install steps of README.md, word for word:
#   docker build --build-arg TORCH_INDEX=URL -t spic .
#   docker run --rm -v "$PWD:/data" spic encode /data/street.png
# TORCH_INDEX is the package index of CPU builds that pytorch.org names; without it pip takes the CUDA build, 3 GB more.
# This file was never built where it was written: there was no Docker. A test compares its steps with the README's.
FROM python:3.11-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /spic
COPY . .

ARG TORCH_INDEX
RUN python3 -m venv .venv \
    && if [ -n "$TORCH_INDEX" ]; then \
        .venv/bin/pip install --no-cache-dir --index-url "$TORCH_INDEX" torch==2.13.0 torchvision==0.28.0; \
    fi
RUN PIP_NO_CACHE_DIR=1 make .venv/core

ENV PATH=/spic/.venv/bin:$PATH
ENTRYPOINT ["spic"]
CMD ["--help"]
