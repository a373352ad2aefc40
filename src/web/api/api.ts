import { fastifySwagger } from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { version } from '../../config/version.js'
import { serveControl } from './control-route.js'
import { serveDevices } from './device-routes.js'
import { createGuard } from './guard.js'
import { serveHistory } from './history-route.js'
import type { ApiParts } from './parts.js'
import { answerErrors } from './request-error.js'
import { sharedSchemas } from './schemas.js'
import { serveServer } from './server-routes.js'
import { createTurnstile } from './turnstile.js'

/** Queries that may take long: so many leave the database to the messages. */
const QUERIES_AT_ONCE = 2
const MAX_WAITING_QUERIES = 50

/**
 * Serves `/api`: JSON, for the users of MQTT by HTTP Basic, by the same rules. The schemas of the routes check what
 * is asked, and make `/api/openapi.json`, which tells nothing of anyone and needs no login. What is answered is not
 * cut to its schema.
 */
export async function serveApi(app: FastifyInstance, parts: () => ApiParts | undefined): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Damselfly',
        version,
        description:
          'What an MQTT broker has stored of its devices, and what it does. Errors are `{"error":"…"}`.',
      },
      components: {
        securitySchemes: { users: { type: 'http', scheme: 'basic', description: 'The users of MQTT.' } },
      },
      security: [{ users: [] }],
      tags: [
        { name: 'devices', description: 'Devices, by who may receive their data' },
        { name: 'server', description: 'This instance of the server' },
      ],
    },
    hideUntagged: true,
    refResolver: {
      buildLocalReference: ({ $id }, _base, _fragment, index) =>
        typeof $id === 'string' ? $id : `def-${index}`,
    },
  })
  for (const schema of sharedSchemas) app.addSchema(schema)
  app.setSerializerCompiler(() => JSON.stringify)
  answerErrors(app)
  app.removeContentTypeParser('text/plain') // what a page of another origin may send without being asked
  const guard = createGuard(parts)
  const turnstile = createTurnstile(QUERIES_AT_ONCE, MAX_WAITING_QUERIES)
  serveDevices(app, guard, turnstile)
  serveHistory(app, guard, turnstile)
  serveControl(app, guard)
  serveServer(app, guard)
  app.get('/api/openapi.json', async () => app.swagger())
}
