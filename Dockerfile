# Build: docker build --build-arg VERSION=1.2.3 -t cdcsync .
# Run:   docker run -v $PWD/shop.yaml:/etc/cdcsync/shop.yaml:ro -v state:/var/lib/cdcsync cdcsync run /etc/cdcsync/shop.yaml
# The pipeline file says where state and warehouse are: pipeline.state.dir: /var/lib/cdcsync/state is on the volume.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/cdcsync ./cmd/cdcsync \
    && mkdir -p /out/state /out/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/cdcsync /cdcsync
COPY --from=build --chown=65532:65532 /out/state /var/lib/cdcsync
COPY --from=build --chown=65532:65532 --chmod=1777 /out/tmp /tmp
USER 65532:65532
WORKDIR /var/lib/cdcsync
ENTRYPOINT ["/cdcsync"]
CMD ["help"]
