# Trains, samples, exports: docker build -f docker/train.Dockerfile -t pdm_tf .
FROM python:3.11-slim
WORKDIR /pdm_tf
# What is installed changes less often than the code, and is kept from build to build.
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY pdm_tf ./pdm_tf
RUN pip install --no-cache-dir .
# Relative paths of commands lie here, where volumes are mounted.
WORKDIR /data
COPY configs ./configs
ENTRYPOINT ["pdm-tf"]
