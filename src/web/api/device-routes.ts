import type { FastifyInstance } from 'fastify'
import type { DeviceQuery, DeviceSummary } from '../../store/device.js'
import type { Guard } from './guard.js'
import type { ApiParts } from './parts.js'
import { findPermitted, mayRead } from './permission.js'
import { RequestError } from './request-error.js'
import { answers, next, objectOf } from './schemas.js'
import type { Turnstile } from './turnstile.js'

/** The device in a path. */
export const nameParameter = { name: { type: 'string', description: 'its `uuid` or `device_id`' } }

interface ListQuery {
  readonly after: number
  readonly limit: number
  readonly online?: boolean
  readonly text?: string
}

const LIST_SCHEMA = {
  operationId: 'listDevices',
  summary: 'Devices',
  description:
    'Those whose `devices/{uuid}/data` you may receive, by `id`. A page may hold fewer than `limit`, even none, though more follow: go on until `next` is null.',
  tags: ['devices'],
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
      limit: { type: 'integer', minimum: 1, maximum: 200, default: 50 },
      online: { type: 'boolean', description: 'only those that are online, or only those that are not' },
      text: {
        type: 'string',
        minLength: 1,
        maxLength: 100,
        description: 'stands in name, device_id or uuid; upper and lower case are alike',
      },
    },
  },
  response: answers(
    200,
    'A page of devices.',
    objectOf({ devices: { type: 'array', items: { $ref: 'DeviceSummary#' } }, next: next('devices') }),
    [400],
  ),
}

const ONE_SCHEMA = {
  operationId: 'getDevice',
  summary: 'A device and its latest readings',
  description: 'For whoever may receive its `devices/{uuid}/data`.',
  tags: ['devices'],
  params: { type: 'object', properties: nameParameter, required: ['name'] },
  response: answers(200, 'What is stored of it.', { $ref: 'Device#' }, [404]),
}

/** Looked up at once: what is asked for, and what is left of it by what the rules allow. */
const LOOKED_UP = 200

/** Look-ups for one page: whoever may read one device in a thousand gets there page by page. */
const MAX_LOOKUPS = 5

/** Serves `GET /api/devices` and `GET /api/devices/NAME`. */
export function serveDevices(app: FastifyInstance, guard: Guard, turnstile: Turnstile): void {
  app.get(
    '/api/devices',
    { schema: LIST_SCHEMA },
    guard<{ Querystring: ListQuery }>(({ store }, { identity, ending }, { query }) => {
      const { after, limit, online, text } = query
      const isWanted = (uuid: string): boolean => {
        if (ending.hasEnded) throw new RequestError(503, 'nobody waits for it')
        return mayRead(identity, uuid)
      }
      const filter = {
        ...(online === undefined ? {} : { isOnline: online }),
        ...(text === undefined ? {} : { text }),
      }
      return turnstile.pass(() => findPage(store, { afterId: after, limit, ...filter }, isWanted))
    }),
  )
  app.get(
    '/api/devices/:name',
    { schema: ONE_SCHEMA },
    guard<{ Params: { name: string } }>(async ({ store }, { identity }, { params: { name } }) => {
      const device = await findPermitted(store, identity, name, 'read data')
      const report = await store.reportDevice(device.id)
      if (report === undefined) throw new RequestError(404, `there is no device ${name}`)
      return report
    }),
  )
}

async function findPage(
  store: Pick<ApiParts['store'], 'listDevices'>,
  query: DeviceQuery,
  isWanted: (uuid: string) => boolean,
): Promise<{ readonly devices: readonly DeviceSummary[]; readonly next: number | null }> {
  const devices: DeviceSummary[] = []
  let { afterId } = query
  for (let lookups = 0; lookups < MAX_LOOKUPS; lookups++) {
    const page = await store.listDevices({ ...query, afterId, limit: LOOKED_UP })
    for (const device of page.devices) {
      if (!isWanted(device.uuid)) continue
      devices.push(device)
      const isLast = device === page.devices.at(-1) && page.nextAfterId === undefined
      if (devices.length === query.limit) return { devices, next: isLast ? null : device.id }
    }
    if (page.nextAfterId === undefined) return { devices, next: null }
    afterId = page.nextAfterId
  }
  return { devices, next: afterId }
}
