import type { FastifyInstance } from 'fastify'
import { startDeadline } from '../../store/deadline.js'
import { nameParameter } from './device-routes.js'
import type { Guard } from './guard.js'
import { findPermitted } from './permission.js'
import { RequestError } from './request-error.js'
import { answers, objectOf } from './schemas.js'

/** More than the firmware in the field takes. */
const MAX_COMMAND_BYTES = 16_384

/** `{"command":…}` around it, with room for blanks. */
const MAX_BODY_BYTES = MAX_COMMAND_BYTES + 1024

const SCHEMA = {
  operationId: 'sendCommand',
  summary: 'Sends a command',
  description: `Publishes \`command\` as JSON to \`devices/{uuid}/control\` at QoS 1, for whoever may publish there; at most ${MAX_COMMAND_BYTES} bytes. A device that is not connected gets it later only if it has a session.`,
  tags: ['devices'],
  params: { type: 'object', properties: nameParameter, required: ['name'] },
  body: objectOf(
    { command: { type: 'object', description: 'what the device is to get' } },
    { additionalProperties: false },
  ),
  response: answers(
    202,
    'It is published: stored for a session whose client is away, and on its way to those who are here.',
    objectOf({ topic: { type: 'string' } }),
    [400, 404, 413, 415],
  ),
}

/** A disk takes milliseconds; Redis may be away for hours. */
const PUBLISH_WITHIN_MS = 5000

/** Serves `POST /api/devices/NAME/control`. */
export function serveControl(app: FastifyInstance, guard: Guard): void {
  app.post(
    '/api/devices/:name/control',
    { schema: SCHEMA, bodyLimit: MAX_BODY_BYTES },
    guard<{ Params: { name: string }; Body: { command: object } }>(
      async ({ store, broker, log }, { identity }, { params, body }, reply) => {
        const { uuid } = await findPermitted(store, identity, params.name, 'write control')
        if (/[+#\0]/.test(uuid)) throw new RequestError(400, `${uuid} cannot stand in a topic`)
        const payload = JSON.stringify(body.command)
        if (Buffer.byteLength(payload) > MAX_COMMAND_BYTES) {
          throw new RequestError(413, `body command must have at most ${MAX_COMMAND_BYTES} bytes`)
        }
        const topic = `devices/${uuid}/control`
        const late = (): Error =>
          new RequestError(503, 'the command is not published yet; whether it will be is not known')
        const deadline = startDeadline(PUBLISH_WITHIN_MS, late)
        try {
          const published = broker.publish(topic, payload, { qos: 1 }).catch((error: unknown) => {
            log.warn({ topic, error: String(error) }, 'a command could not be kept')
            throw new RequestError(503, 'the command could not be kept; those who are connected may have it')
          })
          await deadline.limit(published)
        } finally {
          deadline.clear()
        }
        reply.code(202)
        return { topic }
      },
    ),
  )
}
