import type { Authenticator } from '../auth/authenticate.js'
import type { Tally } from '../metrics/tally.js'
import type { Connection } from './connection.js'
import type { FaultLog } from './fault-log.js'

/** The return codes of a CONNACK that a login can have. (MQTT 3.1.1, table 3.1) */
export const LoginCode = { accepted: 0, serverUnavailable: 3, notAuthorized: 5 } as const

/** One of them. */
export type LoginCode = (typeof LoginCode)[keyof typeof LoginCode]

/** Decides on a CONNECT, and gives the connection its identity. */
export type Login = (
  connection: Connection,
  clientId: string,
  user: string | undefined,
  password: Buffer | undefined,
) => Promise<LoginCode>

/** What a login needs. */
export interface LoginParts {
  readonly authenticator: Authenticator
  readonly tally: Tally
  readonly faults: FaultLog
}

/** A login that cannot be decided on, because the database is away, is not refused: the client may try later. */
export function createLogin({ authenticator, tally, faults }: LoginParts): Login {
  return async (connection, clientId, user, password) => {
    try {
      connection.identity = await authenticator.authenticate(user, password)
    } catch (error) {
      faults.fault(clientId, connection.peer, `cannot decide on a login: ${String(error)}`)
      return LoginCode.serverUnavailable
    }
    if (connection.identity !== undefined) return LoginCode.accepted
    tally.loginsFailed += 1
    faults.refused(clientId, connection.peer, user)
    return LoginCode.notAuthorized // as Mosquitto answers; 4 would tell no more
  }
}
