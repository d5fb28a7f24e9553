# fraud 2.1.0 for linux/arm64, written by ModelKiln. Do not edit: the next build writes it anew.
# Plan: sha256:643ef6cc6dd1f7f0d1d5d8040f7bd5b0f9523d9f5e36842ffdb4e43563533f94
#
# Everything it needs lies beside it or is pinned by digest, so it builds without a network:
#   docker build --network=none --tag fraud:2.1.0 .

# The base: debian13-python3.13, assembled from locked Debian packages.
# Its lock: sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2
# It is in no registry; each archive is named by its own SHA-256.
FROM scratch AS base
ADD base/sha256-4543c397d726119ef9759c5f0c98cc4b04f1c895fbbe4f7cae7c03d9ce98a0d1.tar.gz /

# Python packages are installed in a stage of their own: pip and the wheels stay behind in it.
# pip runs out of its own wheel, sha256:b089ce017851837db31af32a9845094733c4dcdb4a5ae53e0697bcd206d240dc,
# and takes nothing that is not in the folder it is given or does not have its locked hash.
FROM base AS dependencies
COPY installer/pip-26.3-py3-none-any.whl /build/installer/
# /opt/kiln/server: msgspec 0.22.0
COPY server/ /build/server/
RUN ["/usr/bin/python3.13", "-I", "/build/installer/pip-26.3-py3-none-any.whl/pip", "install", \
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
# /opt/model/packages: numpy 2.3.1, xgboost 3.1.1
COPY packages/ /build/packages/
RUN ["/usr/bin/python3.13", "-I", "/build/installer/pip-26.3-py3-none-any.whl/pip", "install", \
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
RUN ["/usr/bin/python3.13", "-I", "-S", "/build/bytecode.py", "--below", "--without=bin,test,tests", "/opt/kiln/kiln_runtime", "/opt/kiln/server", "/opt/model/packages"]

# The image.
FROM base
COPY --from=dependencies /opt/kiln/server /opt/kiln/server
COPY --from=dependencies /opt/model/packages /opt/model/packages
COPY --from=dependencies /opt/kiln/kiln_runtime /opt/kiln/kiln_runtime
# /opt/model/model/fraud/booster.ubj, as the layer it becomes, since copying it takes long. Its own digest:
# sha256:aa3b233937644906b61dfb0147d2a89d0c3cb6210ff6c27c75d95f0abb6b35a5
ADD weights/0.tar.gz /
# The model, under its own name.
COPY model/ /opt/model/model/
# Everything known about the model, resolved.
COPY bundle.json /opt/model/bundle.json
# What was chosen, so that the image can be built again from what is in it.
COPY lock/ /opt/model/lock/

ENV AZUREML_MODEL_DIR="/opt/model/model" \
    HOME="/tmp" \
    LANG="C.UTF-8" \
    MPLCONFIGDIR="/tmp/.config/matplotlib" \
    NUMBA_CACHE_DIR="/tmp/.cache/numba" \
    PATH="/opt/model/packages/bin:/usr/local/bin:/usr/bin:/bin" \
    PYTHONDONTWRITEBYTECODE="1" \
    PYTHONUNBUFFERED="1" \
    XDG_CACHE_HOME="/tmp/.cache"
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port="true" \
      dev.modelkiln.contract="none" \
      dev.modelkiln.framework="xgboost" \
      dev.modelkiln.lock="sha256:32381523e63197c929b67f793a8098bed0ae3a6fa902634fdbcc6fa4567f3346" \
      dev.modelkiln.python="3.13" \
      dev.modelkiln.rollback="0.9.0" \
      org.opencontainers.image.authors="growth@example.com" \
      org.opencontainers.image.base.digest="sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2" \
      org.opencontainers.image.base.name="debian13-python3.13" \
      org.opencontainers.image.description="Who is about to leave" \
      org.opencontainers.image.title="fraud" \
      org.opencontainers.image.version="2.1.0"
EXPOSE 8080/tcp
# A number, so that Kubernetes can see it is not root; group 0, so that any other number works as well.
USER 10001:0
WORKDIR /opt/model
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=300s --retries=3 \
    CMD ["/usr/bin/python3.13", "-I", "-S", "/opt/kiln/kiln_runtime/probe.py", "readyz"]
ENTRYPOINT ["/usr/bin/python3.13", "-I", "-S", "/opt/kiln/kiln_runtime/entry.py"]
CMD ["auto"]
