import type { FastifyReply, FastifyRequest, RouteGenericInterface } from 'fastify'
import type { Identity } from '../../auth/identity.js'
import { createEnding, type Ending } from '../../ending/ending.js'
import { createRateLimit } from '../../log/rate-limit.js'
import { countReason } from '../../metrics/tally.js'
import { CHALLENGE, loginBasic } from '../basic-login.js'
import type { ApiParts } from './parts.js'
import { RequestError } from './request-error.js'

/** Who asks. */
export interface Caller {
  readonly identity: Identity
  /** When nobody waits for the answer any more. */
  readonly ending: Ending
}

/** What a route does for someone who has logged in; what it returns is the body of the answer. */
export type Answer<R extends RouteGenericInterface> = (
  parts: ApiParts,
  caller: Caller,
  request: FastifyRequest<R>,
  reply: FastifyReply,
) => Promise<unknown>

/** Has a route log in whoever asks, before it answers. */
export type Guard = <R extends RouteGenericInterface>(
  answer: Answer<R>,
) => (request: FastifyRequest<R>, reply: FastifyReply) => Promise<unknown>

const MINUTE_MS = 60_000
const MAX_LOGGED_KEYS = 10_000

/**
 * The users are those of MQTT, by HTTP Basic (RFC 7617): 401 without a right login, 429 after too many wrong ones,
 * 503 while the database is away. `parts` is `undefined` until the server is up, which is a 503 as well.
 */
export function createGuard(parts: () => ApiParts | undefined): Guard {
  const limit = createRateLimit(MINUTE_MS, MAX_LOGGED_KEYS)

  const logIn = async (api: ApiParts, request: FastifyRequest, ending: Ending): Promise<Identity> => {
    const address = request.socket.remoteAddress ?? ''
    const found = await loginBasic(api.authenticator, request.headers.authorization, { address, ending })
    if (typeof found !== 'string') return found
    countReason(api.tally.loginsRefused, found)
    if (limit.admit(`${address} ${found}`) !== undefined) {
      api.log.warn({ transport: 'http', address, reason: found }, 'a login was refused')
    }
    throw found === 'too many failed logins' ? new RequestError(429, found) : new RequestError(401, 'log in')
  }

  return (answer) => async (request, reply) => {
    const api = parts()
    if (api === undefined) throw new RequestError(503, 'the server is starting')
    const ending = createEnding()
    reply.raw.once('close', () => ending.end())
    try {
      return await answer(api, { identity: await logIn(api, request, ending), ending }, request, reply)
    } catch (error) {
      if (error instanceof RequestError) {
        if (error.statusCode === 401) void reply.header('www-authenticate', CHALLENGE)
        throw error
      }
      if (!ending.hasEnded) api.log.warn({ error: String(error) }, 'a request could not be answered')
      throw new RequestError(503, 'the database cannot be reached, or too many log in at once')
    }
  }
}
