import { addressKey } from '../auth/address-key.js'
import type { Authenticator } from '../auth/authenticate.js'
import type { PeerEvents } from '../metrics/peer-events.js'
import { countReason, type Tally } from '../metrics/tally.js'
import type { AuthenticateError } from './aedes-broker.js'
import type { ClientIds } from './client-ids.js'
import type { Connection } from './connection.js'
import type { FaultLog } from './fault-log.js'
import { type DevicePresence, tellPresence } from './own-device.js'
import { tellConnected } from './tell-connected.js'

/** The return codes of a CONNACK that a login can have. (MQTT 3.1.1, table 3.1) */
export const LoginCode = {
  accepted: 0,
  identifierRejected: 2,
  serverUnavailable: 3,
  notAuthorized: 5,
} as const

/** One of them. */
export type LoginCode = (typeof LoginCode)[keyof typeof LoginCode]

/** The message of a refusal, by which one that has had its line in the log is known. */
export const LOGIN_REFUSED = 'the login was refused'

/** What Aedes is told of a login that is not accepted. */
export function refusal(returnCode: Exclude<LoginCode, 0>): AuthenticateError {
  return Object.assign(new Error(LOGIN_REFUSED), { returnCode })
}

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
  readonly clientIds: ClientIds
  readonly presence: DevicePresence
  readonly events: PeerEvents
  readonly tally: Tally
  readonly faults: FaultLog
}

/** A login that cannot be decided on, because the database is away, is not refused: the client may try later. */
export function createLogin(parts: LoginParts): Login {
  const { authenticator, clientIds, presence, events, tally, faults } = parts
  const decide: Login = async (connection, clientId, user, password) => {
    const { peer, ending } = connection
    const refuse = (reason: string): void => {
      countReason(tally.loginsRefused, reason)
      events.refused({ clientId, address: addressKey(peer.address) })
      faults.refused(
        clientId,
        peer,
        peer.certificate?.isIdentity === true ? peer.certificate.name : user,
        reason,
      )
    }
    const certificate = peer.certificate?.isIdentity === true ? { certificate: peer.certificate } : {}
    const request = { user, password, clientId, address: peer.address, ending, ...certificate }
    const found = await authenticator.authenticate(request)
    if (typeof found === 'string') {
      refuse(found)
      return LoginCode.notAuthorized // as Mosquitto answers; 4 would tell no more
    }
    const isTakeOver = clientIds.isHeld(clientId)
    if (!(await clientIds.claim(clientId, found.owner, connection))) {
      refuse('its client id is in use by another user')
      return LoginCode.identifierRejected
    }
    // The rules may have changed while other instances were asked.
    connection.identity = authenticator.judge(found)
    if (connection.identity !== undefined) {
      tellPresence(connection, presence)
      tellConnected(connection, isTakeOver, events)
      return LoginCode.accepted
    }
    refuse('the login has ended')
    return LoginCode.notAuthorized
  }

  return async (connection, clientId, user, password) => {
    try {
      return await decide(connection, clientId, user, password)
    } catch (error) {
      faults.fault(clientId, connection.peer, `cannot decide on a login: ${String(error)}`)
      return LoginCode.serverUnavailable
    }
  }
}
