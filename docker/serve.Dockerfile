# Serves models/pdm: docker build -f docker/serve.Dockerfile -t pdm_tf-serving .
ARG SERVING=latest
FROM tensorflow/serving:${SERVING}
ENV MODEL_NAME=pdm
COPY docker/batching.conf /etc/pdm/batching.conf
# The image's own entry point names the model and both ports (8500 gRPC, 8501 REST).
CMD ["--enable_batching=true", "--batching_parameters_file=/etc/pdm/batching.conf"]
