import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Authenticator } from '../auth/authenticate.js'
import type { Identity } from '../auth/identity.js'
import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import { countReason, type Tally } from '../metrics/tally.js'
import type { Store } from '../store/store.js'
import { CHALLENGE, loginBasic } from './basic-login.js'

/** What the API works with, once the server is up. */
export interface ApiParts {
  readonly authenticator: Authenticator
  readonly store: Pick<Store, 'findDevice' | 'reportDevice'>
  readonly tally: Tally
  readonly log: Logger
}

const MINUTE_MS = 60_000
const MAX_LOGGED_KEYS = 10_000

/** A route whose answer depends on who asks. */
type Handler = (identity: Identity, request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

/**
 * Serves `GET /api/devices/NAME`: what is stored of the device with this `uuid` or `device_id`, for whoever may
 * receive `devices/{uuid}/data`. The users are those of MQTT, by HTTP Basic (RFC 7617): 401 without a right
 * login, 429 after too many wrong ones, 403 where the rules do not allow it, 503 while the database is away.
 * `parts` is `undefined` until the server is up, which is a 503 as well.
 */
export function serveDevices(app: FastifyInstance, parts: () => ApiParts | undefined): void {
  const limit = createRateLimit(MINUTE_MS, MAX_LOGGED_KEYS)

  const guarded =
    (handle: (parts: ApiParts) => Handler) => async (request: FastifyRequest, reply: FastifyReply) => {
      const api = parts()
      if (api === undefined) return reply.code(503).send({ error: 'the server is starting' })
      try {
        const found = await loginBasic(
          api.authenticator,
          request.headers.authorization,
          peerOf(request, reply),
        )
        if (typeof found !== 'string') return await handle(api)(found, request, reply)
        countReason(api.tally.loginsRefused, found)
        const address = request.socket.remoteAddress
        if (limit.admit(`${address} ${found}`) !== undefined) {
          api.log.warn({ transport: 'http', address, reason: found }, 'a login was refused')
        }
        if (found === 'too many failed logins') return await reply.code(429).send({ error: found })
        return await reply.code(401).header('www-authenticate', CHALLENGE).send({ error: 'log in' })
      } catch (error) {
        api.log.warn({ error: String(error) }, 'a request could not be answered')
        return reply.code(503).send({ error: 'the database cannot be reached, or too many log in at once' })
      }
    }

  app.get(
    '/api/devices/:name',
    guarded(({ store }) => async ({ access }, request, reply) => {
      const name = nameOf(request.params)
      const device = await store.findDevice(name)
      // Asked of an unknown device too, so that who may not read it is not told whether it exists.
      const { isAllowed } = access.mayReceive(`devices/${device?.uuid ?? name}/data`)
      if (!isAllowed) return reply.code(403).send({ error: `no rule lets you read devices/${name}/data` })
      const report = device && (await store.reportDevice(device.id))
      return report ?? reply.code(404).send({ error: `there is no device ${name}` })
    }),
  )
}

/** Its signal aborts when nobody waits for the answer any more. */
function peerOf(request: FastifyRequest, reply: FastifyReply) {
  const left = new AbortController()
  reply.raw.once('close', () => left.abort())
  return { address: request.socket.remoteAddress ?? '', signal: left.signal }
}

function nameOf(params: unknown): string {
  const name: unknown =
    typeof params === 'object' && params !== null ? Reflect.get(params, 'name') : undefined
  return typeof name === 'string' ? name : ''
}
