import type { PeerClient, PeerEvents } from '../metrics/peer-events.js'
import type { Subject } from './alert.js'
import { createDistinctIds, type DistinctIds } from './distinct-ids.js'
import type { Silence } from './silence.js'
import { createSubjectCounts, type SubjectCounts } from './subject-counts.js'

/** How clients and devices behave. */
export interface Patterns {
  readonly events: PeerEvents
  /** Logins of a client id that took no connection over. */
  readonly reconnects: Pick<SubjectCounts, 'measure'>
  readonly takeOvers: Pick<SubjectCounts, 'measure'>
  readonly clientIds: Pick<DistinctIds, 'measure'>
  readonly rejectedMessages: Pick<SubjectCounts, 'measure'>
}

/** As many as the server serves by default; a megabyte or two. */
const MAX_SUBJECTS = 10_000
const MAX_CLIENT_IDS = 20_000

/** Names come from peers, and are shortened. */
const MAX_NAME = 64

/** Listens to events; `now` is of a clock that nobody sets, ms. */
export function createPatterns(windowMs: number, silence: Silence, now: () => number): Patterns {
  const reconnects = createSubjectCounts(windowMs, MAX_SUBJECTS)
  const takeOvers = createSubjectCounts(windowMs, MAX_SUBJECTS)
  const rejectedMessages = createSubjectCounts(windowMs, MAX_SUBJECTS)
  const clientIds = createDistinctIds(windowMs, MAX_CLIENT_IDS)

  const events: PeerEvents = {
    connected(client, isTakeOver) {
      const nowMs = now()
      const { address, clientId, device } = client
      const counts = isTakeOver ? takeOvers : reconnects
      counts.add(shorten(clientId), toSubject(client), nowMs)
      clientIds.add(address, shorten(clientId), nowMs)
      if (device !== undefined) silence.began(device)
    },
    ended({ device }) {
      if (device !== undefined) silence.ended(device)
    },
    refused: ({ address, clientId }) => clientIds.add(address, shorten(clientId), now()),
    heard: (device) => silence.heard(device),
    rejected(name, device) {
      const subject = device === undefined ? { name: shorten(name) } : { device_id: device.deviceId }
      const key = device === undefined ? `? ${shorten(name)}` : `${device.id}`
      rejectedMessages.add(key, { kind: 'device', ...subject }, now())
    },
  }
  return { events, reconnects, takeOvers, clientIds, rejectedMessages }
}

function toSubject({ clientId, user, address, device }: PeerClient): Subject {
  return {
    kind: 'client',
    client: shorten(clientId),
    ...(user === undefined ? {} : { user: shorten(user) }),
    address,
    ...(device === undefined ? {} : { device_id: device.deviceId }),
  }
}

function shorten(name: string): string {
  return name.slice(0, MAX_NAME)
}
