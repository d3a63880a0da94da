# syntax=docker/dockerfile:1
# brainseg on the CPU. `docker build .` makes an image that segments scans; `--target train` one with the pipeline.
#     docker build --build-arg VERSION=1.0.0 -t brainseg .
#     docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" brainseg predict scan.nii.gz --model models/export --out masks

FROM python:3.11-slim-bookworm AS wheel
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY stages stages
# There is no git here that would tell it.
ARG VERSION=0.1.0
RUN SETUPTOOLS_SCM_PRETEND_VERSION_FOR_BRAINSEG="$VERSION" pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim-bookworm AS base
# A home for whoever runs this, which need not be a user of the image.
RUN useradd --uid 1000 brainseg && install -d -m 1777 /home/brainseg /work
COPY constraints.txt /etc/brainseg/
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir -c /etc/brainseg/constraints.txt /wheels/*.whl
ENV HOME=/home/brainseg USER=brainseg
WORKDIR /work
USER 1000
ENTRYPOINT ["brainseg"]
CMD ["--help"]

# In a clone that is mounted at /work: docker run … --entrypoint dvc brainseg-train repro
FROM base AS train
USER 0
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory /work
# torch as it is built for processors alone, without CUDA's libraries.
RUN pip install --no-cache-dir -c /etc/brainseg/constraints.txt \
    --extra-index-url https://download.pytorch.org/whl/cpu "brainseg[train]"
USER 1000

FROM base AS predict
