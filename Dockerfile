# The base of every stage. Any image with Node 20.12 or later and npm on a glibc Linux will do.
ARG NODE_IMAGE=docker.io/library/node:24-bookworm-slim

# Compiles the sources, with the development dependencies.
FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build

# The dependencies that the server runs on, and nothing else. No package of them needs its install script.
FROM ${NODE_IMAGE} AS production
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="damselfly" \
      org.opencontainers.image.description="An MQTT broker whose acknowledgement means stored" \
      org.opencontainers.image.licenses="MIT"

# A fixed id, so that volumes can be prepared for it. Written by hand because not every base has useradd.
RUN echo 'damselfly:x:10001:10001:Damselfly:/data:/usr/sbin/nologin' >> /etc/passwd \
 && echo 'damselfly:x:10001:' >> /etc/group \
 && mkdir /data /config /certs \
 && chown 10001:10001 /data /config /certs \
 && chmod 0750 /data /config /certs \
 && printf '#!/bin/sh\nexec node /app/dist/main.js "$@"\n' > /usr/local/bin/damselfly \
 && chmod 0755 /usr/local/bin/damselfly

# Everything in /app belongs to root: the server cannot change its own code.
WORKDIR /app
COPY --from=production /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --chmod=0644 package.json LICENSE ./

ENV NODE_ENV=production \
    DATA_DIR=/data \
    CONFIG_DIR=/config \
    CERTS_DIR=/certs \
    LOG_FORMAT=json

USER 10001:10001
VOLUME ["/data", "/config", "/certs"]
EXPOSE 1883 8883 9001 8080

# By Node, as slim images have no curl. With HTTP_PORT=off there is nothing to ask, and running is all we know.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "const port = process.env.HTTP_PORT || 8080; const host = process.env.BIND_ADDRESS || '127.0.0.1'; if (port !== 'off') require('node:http').get({ host, port, path: '/healthz' }, (response) => process.exit(response.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]

# The exec form, so that SIGTERM reaches Node, and `docker run damselfly check` runs another command. The young
# generation has room for what is on its way under load, or collecting garbage takes a third of the processor's time.
ENTRYPOINT ["node", "--max-semi-space-size=64", "dist/main.js"]
CMD ["start"]
