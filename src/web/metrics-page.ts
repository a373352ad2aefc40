import type { FastifyInstance } from 'fastify'
import type { Exposition } from '../metrics/exposition.js'

/** Where the metrics come from. It is asked for by the first scrape, and not by every start. */
export type Metrics = () => Promise<Exposition>

/** Serves `GET /metrics`, without a login: there are numbers in it and no names. */
export function serveMetrics(app: FastifyInstance, metrics: Metrics): void {
  let exposition: Promise<Exposition> | undefined
  app.get('/metrics', async (_request, reply) => {
    exposition ??= metrics()
    const { contentType, text } = await exposition
    return reply.type(contentType).send(await text())
  })
}
