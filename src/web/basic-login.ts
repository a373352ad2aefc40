import type { Authenticator, Refusal } from '../auth/authenticate.js'
import type { Identity } from '../auth/identity.js'
import type { Ending } from '../ending/ending.js'

/** The credentials of an `Authorization` header; all absent: there is no header. */
export interface Credentials {
  readonly user: string | undefined
  readonly password: Buffer | undefined
}

/** Asks a browser for user name and password, in UTF-8 (RFC 7617, section 2.1). */
export const CHALLENGE = 'Basic realm="Damselfly", charset="UTF-8"'

/** What is in an `Authorization` header (RFC 7617, section 2); `undefined`: nothing of that form. */
export function parseBasic(header: string | undefined): Credentials | undefined {
  if (header === undefined) return { user: undefined, password: undefined }
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(header)?.[1]
  if (encoded === undefined) return undefined
  const bytes = Buffer.from(encoded, 'base64')
  const colon = bytes.indexOf(':')
  if (colon < 0) return undefined
  return { user: bytes.subarray(0, colon).toString(), password: bytes.subarray(colon + 1) }
}

/** Who sends a request. There is no client id, so `%c` in a pattern stands for nothing. */
export async function loginBasic(
  authenticator: Authenticator,
  header: string | undefined,
  peer: { readonly address: string; readonly ending: Ending },
): Promise<Identity | Refusal> {
  const credentials = parseBasic(header)
  if (credentials === undefined) return 'wrong user name or password'
  return authenticator.authenticate({ ...credentials, ...peer, clientId: '' })
}
