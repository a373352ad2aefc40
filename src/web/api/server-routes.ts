import type { FastifyInstance } from 'fastify'
import type { ConnectedClient } from '../../broker/connected-client.js'
import type { Guard } from './guard.js'
import { permitServer } from './permission.js'
import { answers, next, objectOf, statisticsSchema } from './schemas.js'

const allowed = (what: string): string =>
  `For users who may receive \`$SYS/broker/api/${what}\`, which \`$SYS/broker/#\` takes in. Of this instance alone.`

const CLIENTS_SCHEMA = {
  operationId: 'listClients',
  summary: 'Connected clients',
  description: `In the order in which they came. ${allowed('clients')}`,
  tags: ['server'],
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: {
      after: {
        type: 'integer',
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        default: 0,
        description: 'the `next` of the page before',
      },
      limit: { type: 'integer', minimum: 1, maximum: 1000, default: 100 },
    },
  },
  response: answers(
    200,
    'A page of clients.',
    objectOf({
      clients: { type: 'array', items: { $ref: 'Client#' } },
      total: { type: 'integer', minimum: 0, description: 'clients that are connected now' },
      next: next('clients'),
    }),
    [400],
  ),
}

const STATISTICS_SCHEMA = {
  operationId: 'getStatistics',
  summary: 'What the server has done so far',
  description: `As the summary in the log. ${allowed('statistics')}`,
  tags: ['server'],
  response: answers(200, 'Counts, and rates a second.', statisticsSchema),
}

const ALERTS_SCHEMA = {
  operationId: 'listAlerts',
  summary: 'Alerts in force',
  description: `Those that are raised and have not ended. ${allowed('alerts')}`,
  tags: ['server'],
  response: answers(200, 'Each as it was published.', objectOf({ alerts: { type: 'array', items: {} } })),
}

/** Serves `GET /api/clients`, `/api/statistics` and `/api/alerts`. */
export function serveServer(app: FastifyInstance, guard: Guard): void {
  app.get(
    '/api/clients',
    { schema: CLIENTS_SCHEMA },
    guard<{ Querystring: { after: number; limit: number } }>(async ({ broker }, { identity }, { query }) => {
      permitServer(identity, 'clients')
      const clients = [...broker.clients()]
      const rest = clients.filter(({ number }) => number > query.after)
      const page = rest.slice(0, query.limit)
      const last = page.length < rest.length ? page.at(-1)?.number : undefined
      return { clients: page.map(shown), total: clients.length, next: last ?? null }
    }),
  )
  app.get(
    '/api/statistics',
    { schema: STATISTICS_SCHEMA },
    guard(async ({ statistics }, { identity }) => {
      permitServer(identity, 'statistics')
      return statistics()
    }),
  )
  app.get(
    '/api/alerts',
    { schema: ALERTS_SCHEMA },
    guard(async ({ alerts }, { identity }) => {
      permitServer(identity, 'alerts')
      return { alerts: alerts() }
    }),
  )
}

function shown({ clientId, user, address, transport, sinceMs, device }: ConnectedClient) {
  const connectedSince = new Date(sinceMs).toISOString()
  return { clientId, user: user ?? null, address, transport, connectedSince, device: device ?? null }
}
