import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect } from 'vitest'
import { ADMINISTRATOR, type Server } from './server.js'

/** The header of a login. */
export const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

/** The header of the administrator's login. */
export const administrator = basic(ADMINISTRATOR.username, ADMINISTRATOR.password)

/** An answer, its body parsed. */
export interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

type Fields = Readonly<Record<string, unknown>>

/** What a server says of its answers. */
interface Described {
  readonly document: Fields
  readonly ajv: Ajv2020
}

const described = new WeakMap<Server, Promise<Described>>()

/** Asks the API, and finds the answer to be what the document of the very server says. */
export async function ask(
  server: Server,
  path: string,
  authorization: string | undefined = administrator,
  body?: string,
): Promise<Answer> {
  const method = body === undefined ? 'get' : 'post'
  const response = await fetch(`${addressOf(server)}${path}`, {
    method,
    headers: {
      ...(authorization === '' ? {} : { authorization }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body }),
  })
  const answer = { status: response.status, body: fields(await response.json()) }
  const known = described.get(server) ?? describeAnswers(server)
  described.set(server, known)
  expectDocumented(await known, { method, path, ...answer })
  return answer
}

/** The OpenAPI document that a server serves. */
export async function openApi(server: Server): Promise<Fields> {
  const response = await fetch(`${addressOf(server)}/api/openapi.json`)
  expect(response.status).toBe(200)
  return fields(await response.json())
}

/** What stands at a path of names. */
export function at(value: unknown, ...names: readonly (string | number)[]): unknown {
  return names.reduce<unknown>(
    (inner, name) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, name) : undefined),
    value,
  )
}

/** An object's fields; of anything else, none. */
export function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

async function describeAnswers(server: Server): Promise<Described> {
  const document = await openApi(server)
  const formats = { 'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/ }
  const ajv = new Ajv2020({ strict: false, formats })
  ajv.addSchema(fields(closed(document)), 'document')
  return { document, ajv }
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${server.port('http')}`
}

function expectDocumented(
  { document, ajv }: Described,
  { method, path, status, body }: { method: string; path: string } & Answer,
): void {
  const plain = path.split('?')[0] ?? ''
  const template = Object.keys(fields(document['paths'])).find((one) =>
    new RegExp(`^${one.replace(/\{\w+\}/g, '[^/]+')}$`).test(plain),
  )
  expect(template, `a path of the document for ${plain}`).toBeDefined()
  const where = [
    'paths',
    template ?? '',
    method,
    'responses',
    status,
    'content',
    'application/json',
    'schema',
  ]
  expect(at(document, ...where), `the answer ${status} of ${template}`).toBeDefined()
  const pointer = where.map((name) =>
    encodeURIComponent(String(name).replaceAll('~', '~0').replaceAll('/', '~1')),
  )
  const fits = ajv.compile({ $ref: `document#/${pointer.join('/')}` })
  fits(body)
  expect(fits.errors ?? [], `${plain}: ${JSON.stringify(body)}`).toEqual([])
}

/** A schema that says which fields an object has, and lets it have no other. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed)
  if (typeof value !== 'object' || value === null) return value
  const inner = Object.fromEntries(Object.entries(value).map(([name, one]) => [name, closed(one)]))
  return inner['type'] === 'object' && 'properties' in inner
    ? { additionalProperties: false, ...inner }
    : inner
}
