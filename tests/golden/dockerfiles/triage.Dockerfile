# triage 1.0.0 for linux/amd64, written by ModelKiln. Do not edit: the next build writes it anew.
# Plan: sha256:f9c2baff55670e011e03841ee0973ac85cd770b185c43ab31117af1c2f6171c5
#
# Everything it needs lies beside it or is pinned by digest, so it builds without a network:
#   docker build --network=none --tag triage:1.0.0 .

# The base: registry.example.com:5000/library/python:3.11-slim, pinned by digest.
FROM registry.example.com:5000/library/python@sha256:05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f AS base
# System packages the bundle asks for, unpacked from these Debian packages:
#   libgomp1 1-1 sha256:484c0aa4b19ef8b23a85228bcb26df7e4080a7c5fb15d1f323f93b0acd4fbdbb
#   gcc-12-base 1-1 sha256:b3c0a3732e6e52d48b3fcb07c03a51fbf40b9c5cd96bf6ba25890b601458fab8
ADD system/packages-0.tar.gz /

# Python packages are installed in a stage of their own: pip and the wheels stay behind in it.
# pip runs out of its own wheel, sha256:b089ce017851837db31af32a9845094733c4dcdb4a5ae53e0697bcd206d240dc,
# and takes nothing that is not in the folder it is given or does not have its locked hash.
FROM base AS dependencies
COPY installer/pip-26.3-py3-none-any.whl /build/installer/
# /opt/kiln/server: msgspec 0.22.0
COPY server/ /build/server/
RUN ["/usr/local/bin/python3.11", "-I", "/build/installer/pip-26.3-py3-none-any.whl/pip", "install", \
     "--isolated", \
     "--no-index", \
     "--find-links=/build/server", \
     "--require-hashes", \
     "--no-deps", \
     "--only-binary=:all:", \
     "--no-cache-dir", \
     "--no-compile", \
     "--disable-pip-version-check", \
     "--root-user-action=ignore", \
     "--progress-bar=off", \
     "--target=/opt/kiln/server", \
     "--requirement=/build/server/requirements.lock"]
# /opt/model/packages: numpy 2.3.1, scikit-learn 1.7.2, joblib 1.0, threadpoolctl 1.0
COPY packages/ /build/packages/
RUN ["/usr/local/bin/python3.11", "-I", "/build/installer/pip-26.3-py3-none-any.whl/pip", "install", \
     "--isolated", \
     "--no-index", \
     "--find-links=/build/packages", \
     "--require-hashes", \
     "--no-deps", \
     "--only-binary=:all:", \
     "--no-cache-dir", \
     "--no-compile", \
     "--disable-pip-version-check", \
     "--root-user-action=ignore", \
     "--progress-bar=off", \
     "--target=/opt/model/packages", \
     "--requirement=/build/packages/requirements.lock"]
# The runtime: server, worker, probe.
COPY runtime/ /opt/kiln/kiln_runtime/
# Bytecode for all of it, since the running image cannot write any.
COPY bytecode.py /build/
RUN ["/usr/local/bin/python3.11", "-I", "-S", "/build/bytecode.py", "--below", "--without=bin,test,tests", "/opt/kiln/kiln_runtime", "/opt/kiln/server", "/opt/model/packages"]

# The image.
FROM base
COPY --from=dependencies /opt/kiln/server /opt/kiln/server
COPY --from=dependencies /opt/model/packages /opt/model/packages
COPY --from=dependencies /opt/kiln/kiln_runtime /opt/kiln/kiln_runtime
# The model, under its own name.
COPY model/ /opt/model/model/
# The scoring code, as it lies in the bundle.
COPY code/ /opt/model/code/
# Everything known about the model, resolved.
COPY bundle.json /opt/model/bundle.json
# What was chosen, so that the image can be built again from what is in it.
COPY lock/ /opt/model/lock/

ENV AZUREML_MODEL_DIR="/opt/model/model" \
    HOME="/tmp" \
    LANG="C.UTF-8" \
    LOG_LEVEL="info" \
    MPLCONFIGDIR="/tmp/.config/matplotlib" \
    NUMBA_CACHE_DIR="/tmp/.cache/numba" \
    PATH="/opt/model/packages/bin:/usr/local/bin:/usr/bin:/bin" \
    PYTHONDONTWRITEBYTECODE="1" \
    PYTHONUNBUFFERED="1" \
    PYTHON_VERSION="3.11.14" \
    XDG_CACHE_HOME="/tmp/.cache"
ENV GREETING="a \"quoted\" \$HOME and a back\\slash"
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port="true" \
      dev.modelkiln.contract="azure" \
      dev.modelkiln.framework="sklearn" \
      dev.modelkiln.hyperparameters="{\"C\":1.0}" \
      dev.modelkiln.lock="sha256:32381523e63197c929b67f793a8098bed0ae3a6fa902634fdbcc6fa4567f3346" \
      dev.modelkiln.metrics="{\"roc_auc\":0.84}" \
      dev.modelkiln.python="3.11" \
      dev.modelkiln.rollback="0.9.0" \
      dev.modelkiln.training-data.sha256="abababababababababababababababababababababababababababababababab" \
      dev.modelkiln.training-data.uri="data/train.csv" \
      org.opencontainers.image.authors="growth@example.com" \
      org.opencontainers.image.base.digest="sha256:1bc04b5291c26a46d918139138b992d2de976d6851d0893b0476b85bfbdfc6e6" \
      org.opencontainers.image.base.name="registry.example.com:5000/library/python:3.11-slim" \
      org.opencontainers.image.description="Tickets: \"urgent\" or not, at \$0.01 each (C:\\models)" \
      org.opencontainers.image.revision="4f1c" \
      org.opencontainers.image.source="https://git.example.com/churn" \
      org.opencontainers.image.title="triage" \
      org.opencontainers.image.version="1.0.0"
EXPOSE 8080/tcp
# A number, so that Kubernetes can see it is not root; group 0, so that any other number works as well.
USER 10001:0
WORKDIR /opt/model
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=300s --retries=3 \
    CMD ["/usr/local/bin/python3.11", "-I", "-S", "/opt/kiln/kiln_runtime/probe.py", "readyz"]
ENTRYPOINT ["/usr/local/bin/python3.11", "-I", "-S", "/opt/kiln/kiln_runtime/entry.py"]
CMD ["auto"]
