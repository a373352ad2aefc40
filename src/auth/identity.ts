import type { Device } from '../store/device.js'
import type { Access } from './access.js'

/** Who a client is, once it has logged in. */
export interface Identity {
  /** The user name it logged in with; `undefined` for an anonymous client. */
  readonly user: string | undefined
  readonly clientId: string
  /** Equal for two logins of one user, whichever of its names a device took. */
  readonly owner: string
  readonly credential: Credential
  readonly access: Access
}

/** What a login rests on: when it no longer holds, neither does the login. */
export type Credential =
  | { readonly kind: 'none' }
  /** The hash that the password file had for the user. */
  | { readonly kind: 'password'; readonly hash: string }
  /** The device as the database had it. */
  | { readonly kind: 'secret'; readonly device: Device }
  /** A client certificate; with the device that bears its name, if one does. */
  | { readonly kind: 'certificate'; readonly device: Device | undefined }

/** The device that somebody has logged in as, if it is one. */
export function deviceOf(credential: Credential): Device | undefined {
  return 'device' in credential ? credential.device : undefined
}
