# One image for every command; by default it is the controller.
#   docker build -t rollouts:0.1.0 .
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/rollouts
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY analysis ./analysis
COPY rollouts ./rollouts
COPY crds ./crds
COPY examples ./examples
RUN /opt/rollouts/bin/pip install --no-cache-dir --disable-pip-version-check \
      -c constraints.txt '.[aws,uvloop]' \
 && /opt/rollouts/bin/python -m compileall -q /opt/rollouts

FROM python:3.11-slim
ENV PATH=/opt/rollouts/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
COPY --from=build /opt/rollouts /opt/rollouts
# Numeric, so that runAsNonRoot can be checked without reading the image's user table.
USER 65532:65532
WORKDIR /tmp
EXPOSE 8080 8090
ENTRYPOINT ["rollouts"]
CMD ["controller", "--bind-address=0.0.0.0"]
