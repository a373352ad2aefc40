import type { FastifyInstance } from 'fastify'
import { downsample } from '../../store/downsample.js'
import { nameParameter } from './device-routes.js'
import type { Guard } from './guard.js'
import { findPermitted } from './permission.js'
import { RequestError } from './request-error.js'
import { answers, objectOf } from './schemas.js'
import { timeRange } from './time-range.js'
import type { Turnstile } from './turnstile.js'

interface HistoryRequest {
  Params: { readonly name: string; readonly sensor: string }
  Querystring: { readonly from?: string; readonly to?: string; readonly points: number }
}

const SCHEMA = {
  operationId: 'getHistory',
  summary: 'The history of a sensor',
  description:
    'The range is cut into at most `points` buckets of the same length, of which those that have readings are given. For whoever may receive `devices/{uuid}/data`.',
  tags: ['devices'],
  params: {
    type: 'object',
    required: ['name', 'sensor'],
    properties: {
      ...nameParameter,
      sensor: {
        type: 'string',
        pattern: '^[a-z_][a-z0-9_]{0,49}$',
        description: 'for example `temperature`',
      },
    },
  },
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: {
      from: {
        type: 'string',
        description:
          'A time with its zone (ISO 8601), or epoch milliseconds; included. Without it: a day before `to`. At most 366 days before `to`',
      },
      to: { type: 'string', description: 'The same, excluded. Without it: now' },
      points: { type: 'integer', minimum: 1, maximum: 1000, default: 200 },
    },
  },
  response: answers(
    200,
    'Buckets, by time.',
    objectOf({
      device: { type: 'string', description: 'its `uuid`' },
      sensor: { type: 'string' },
      from: { type: 'string', format: 'date-time' },
      to: { type: 'string', format: 'date-time' },
      bucketMs: { type: 'integer', minimum: 1, description: 'how long a bucket lasts' },
      points: { type: 'array', items: { $ref: 'HistoryPoint#' } },
    }),
    [400, 404],
  ),
}

/** A year of readings every 10 s takes a few seconds; waiting for others counts as well. */
const ANSWER_WITHIN_MS = 10_000

/** Serves `GET /api/devices/NAME/sensors/SENSOR/history`. */
export function serveHistory(app: FastifyInstance, guard: Guard, turnstile: Turnstile): void {
  app.get(
    '/api/devices/:name/sensors/:sensor/history',
    { schema: SCHEMA },
    guard<HistoryRequest>(async ({ store }, { identity, ending }, { params, query }) => {
      const range = timeRange(query.from, query.to, Date.now())
      const device = await findPermitted(store, identity, params.name, 'read data')
      const { sensor } = params
      const giveUpMs = performance.now() + ANSWER_WITHIN_MS
      const { bucketMs, buckets } = await turnstile.pass(() =>
        downsample(store, { deviceId: device.id, sensor, ...range, points: query.points }, () => {
          if (ending.hasEnded) throw new RequestError(503, 'nobody waits for it')
          if (performance.now() < giveUpMs) return
          throw new RequestError(503, 'it takes too long; ask for a shorter range, or later')
        }),
      )
      return {
        device: device.uuid,
        sensor,
        from: new Date(range.fromMs).toISOString(),
        to: new Date(range.toMs).toISOString(),
        bucketMs,
        points: buckets.map(({ fromMs, ...values }) => ({ at: new Date(fromMs).toISOString(), ...values })),
      }
    }),
  )
}
