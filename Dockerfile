FROM node:22-bookworm-slim AS assets
WORKDIR /src
COPY scripts/assets.sh scripts/
COPY socket/bundle socket/bundle
RUN scripts/assets.sh

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=assets /src/socket/bundle/files socket/bundle/files
ARG VERSION=1.0.0
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/devops-insights ./cmd/devops-insights \
 && mkdir -p /out/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/devops-insights /devops-insights
COPY --from=build --chown=65532:65532 /out/data /data
ENV DATA_DIR=/data NODE_ENV=production
VOLUME /data
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=4s --start-period=10s CMD ["/devops-insights", "healthcheck"]
ENTRYPOINT ["/devops-insights"]
