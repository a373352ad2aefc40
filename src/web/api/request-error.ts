import type { FastifyError, FastifyInstance } from 'fastify'

/** A request that is not answered with what it asks for; `message` is told to the client. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  readonly statusCode: number

  constructor(statusCode: number, message: string) {
    super(message)
    this.statusCode = statusCode
  }
}

/** Where a value stands that a schema refuses, as fastify calls it, and as it is called here. */
const PLACES: Readonly<Record<string, string>> = {
  params: 'path parameter',
  querystring: 'query parameter',
  body: 'body',
}

/** Has everything that goes wrong answered as `{"error":"…"}`. */
export function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler<FastifyError>(async (error, _request, reply) => {
    const { statusCode = 500 } = error
    return reply.code(statusCode).send({ error: statusCode < 500 ? said(error) : plain(error) })
  })
  app.setNotFoundHandler(async ({ method, url }, reply) =>
    reply.code(404).send({ error: `there is no ${method} ${url.split('?')[0]}` }),
  )
}

/** What goes wrong in here is nobody's outside. */
function plain(error: Error): string {
  return error instanceof RequestError ? error.message : 'the request could not be answered'
}

/** The parameter that a schema refuses, and what is expected of it. */
function said({ validation, validationContext, message }: FastifyError): string {
  const [fault] = validation ?? []
  if (fault === undefined) return message
  const { keyword, params, instancePath } = fault
  const path = instancePath.split('/').slice(1)
  const place = PLACES[validationContext ?? ''] ?? validationContext
  const at = (name: unknown): string =>
    [place, [...path, ...(name === undefined ? [] : [name])].join('.')].join(' ').trim()
  if (keyword === 'required') return `${at(params['missingProperty'])} is missing`
  if (keyword === 'additionalProperties') return `${at(params['additionalProperty'])} is unknown`
  const allowed = params['allowedValues']
  return `${at(undefined)} ${fault.message}${Array.isArray(allowed) ? `: ${allowed.join(', ')}` : ''}`
}
