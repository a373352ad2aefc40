import type { Access } from './access.js'

/** Who a client is, once it has logged in. */
export interface Identity {
  /** The user name it logged in with; `undefined` for an anonymous client. */
  readonly user: string | undefined
  readonly access: Access
}
