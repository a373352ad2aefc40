import { fastify } from 'fastify'
import { ConfigError } from '../config/config-error.js'
import { serveApi } from './api/api.js'
import type { ApiParts } from './api/parts.js'
import { type Metrics, serveMetrics } from './metrics-page.js'
import type { Readiness } from './readiness.js'

/** The HTTP server. */
export interface Web {
  /** As it is reached, for example `http://0.0.0.0:8080`. */
  readonly address: string
  stop(): Promise<void>
}

/** A request has no body to speak of; who sends it slowly is no health check. */
const REQUEST_TIMEOUT_MS = 10_000
const MAX_BODY_BYTES = 16_384

/** What is served beside the health of the process. */
export interface WebParts {
  readonly readiness: Pick<Readiness, 'report'>
  /** `undefined` until the server is up. */
  readonly api: () => ApiParts | undefined
  readonly metrics: Metrics
}

/**
 * Serves `/healthz` (the process answers), `/readyz` (every part works: 200, else 503 with the parts), `/metrics`,
 * and `/api` as `serveApi` says.
 *
 * @throws ConfigError CONFIG_CONFLICT when the address cannot be bound.
 */
export async function startWeb(
  host: string,
  port: number,
  { readiness, api, metrics }: WebParts,
): Promise<Web> {
  const app = fastify({
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    return503OnClosing: false,
    ajv: { customOptions: { removeAdditional: false } }, // an unknown parameter is an error
  })
  app.get('/healthz', () => ({ status: 'ok' }))
  app.get('/readyz', async (_request, reply) => {
    const parts = await readiness.report()
    const isReady = Object.values(parts).every(Boolean)
    return reply.code(isReady ? 200 : 503).send({ status: isReady ? 'ready' : 'not ready', parts })
  })
  serveMetrics(app, metrics)
  await serveApi(app, api)
  try {
    return { address: await listenUrl(app, host, port), stop: () => app.close() }
  } catch (error) {
    throw new ConfigError('CONFIG_CONFLICT', `HTTP_PORT = ${port}, BIND_ADDRESS = ${host}: ${String(error)}`)
  }
}

async function listenUrl(app: ReturnType<typeof fastify>, host: string, port: number): Promise<string> {
  await app.listen({ host, port })
  const address = app.server.address()
  const actual = typeof address === 'object' && address !== null ? address.port : port
  return `http://${host.includes(':') ? `[${host}]` : host}:${actual}`
}
