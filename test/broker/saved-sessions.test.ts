import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadSessions } from '#src/sessions/disk/load-sessions.js'
import {
  deleteSession,
  type SavedSessions,
  SESSION_FILE,
  statements,
} from '#src/sessions/disk/session-file.js'
import { openState } from '#src/store/open-state.js'
import type { State, Statement } from '#src/store/state.js'
import { temporaryFolder, withTest } from '../support/temporary-folder.js'

/** Long before any of these sessions. */
const NEVER = 0

async function written(...writes: readonly (readonly Statement[])[]): Promise<State> {
  const state = await openState(join(await temporaryFolder(withTest), 'state.db'), SESSION_FILE)
  withTest(state.close)
  for (const some of writes) await state.write(some)
  return state
}

test('a file with nothing in it is read as that', async () => {
  const nothing: SavedSessions = {
    highestId: 0,
    sessions: [],
    subscriptions: [],
    messages: [],
    outgoing: [],
    incoming: [],
    retained: [],
    wills: [],
  }
  expect(await loadSessions(await written(), NEVER)).toEqual(nothing)
})

test('what was saved is read again to the byte', async () => {
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  const nothing = Buffer.alloc(0)
  const state = await written([
    statements.addSession(1, 'Gerät 1', null),
    statements.addSession(2, '', 1_790_000_000_000),
    statements.subscribe(1, 'a/+', 2),
    statements.subscribe(1, 'ä/#', 0),
    statements.subscribe(2, '日/本', 1),
    statements.addMessage(3, 'a/日', everyByte),
    statements.addMessage(4, 'a/b', nothing),
    statements.enqueue(1, 3, 2),
    statements.enqueue(2, 3, 1),
    statements.enqueue(1, 4, 1),
    statements.identify(JSON.stringify([[1, 3, 7, 1]])),
    statements.receive(2, 65_535),
    statements.retain('r/ü', everyByte, 2, 6),
    statements.retain('q', nothing, 0, 5),
    statements.putWill(9, 'Gerät 1', 'w/ö', everyByte, 1, 1),
  ])
  expect(await loadSessions(state, NEVER)).toEqual({
    highestId: 9,
    sessions: [
      { id: 1, clientId: 'Gerät 1', awaySinceMs: undefined },
      { id: 2, clientId: '', awaySinceMs: 1_790_000_000_000 },
    ],
    subscriptions: [
      { session: 1, filter: 'a/+', qos: 2 },
      { session: 1, filter: 'ä/#', qos: 0 },
      { session: 2, filter: '日/本', qos: 1 },
    ],
    messages: [
      { id: 3, topic: 'a/日', payload: everyByte },
      { id: 4, topic: 'a/b', payload: nothing },
    ],
    outgoing: [
      { session: 1, message: 3, qos: 2, packetId: 7, isReleased: true },
      { session: 2, message: 3, qos: 1, packetId: undefined, isReleased: false },
      { session: 1, message: 4, qos: 1, packetId: undefined, isReleased: false },
    ],
    incoming: [{ session: 2, packetId: 65_535 }],
    retained: [
      { topic: 'q', payload: nothing, qos: 0, version: 5 },
      { topic: 'r/ü', payload: everyByte, qos: 2, version: 6 },
    ],
    wills: [{ id: 9, clientId: 'Gerät 1', topic: 'w/ö', payload: everyByte, qos: 1, retain: true }],
  })
})

test('more than is read together comes whole, and in the order in which it came', async () => {
  const payloads = Array.from({ length: 30 }, () => randomBytes(700_000))
  const numbers = payloads.map((_, index) => index + 10)
  const state = await written(
    [statements.addSession(1, 'one', null), statements.addSession(2, 'two', null)],
    ...payloads.map((payload, index) => [
      statements.addMessage(index + 10, `topic/${index}`, payload),
      statements.enqueue(2 - (index % 2), index + 10, 1),
      statements.retain(`retained/${30 - index}`, payload, 1, index + 10),
    ]),
  )
  const { messages, outgoing, retained } = await loadSessions(state, NEVER)
  expect(messages.map(({ id }) => id)).toEqual(numbers)
  expect(messages.every(({ payload }, index) => payload.equals(payloads[index] ?? Buffer.alloc(0)))).toBe(
    true,
  )
  expect(messages.map(({ topic }) => topic)).toEqual(payloads.map((_, index) => `topic/${index}`))
  expect(outgoing.map(({ message }) => message)).toEqual(numbers)
  expect(retained.map(({ version }) => version)).toEqual(numbers)
  expect(retained.every(({ payload }, index) => payload.equals(payloads[index] ?? Buffer.alloc(0)))).toBe(
    true,
  )
})

test('what belongs to no session is not read', async () => {
  const state = await written(
    [
      statements.addSession(1, 'gone', 1000),
      statements.addSession(2, 'here', null),
      statements.subscribe(1, 'a', 1),
      statements.subscribe(2, 'a', 1),
      statements.subscribe(3, 'a', 1),
      statements.addMessage(4, 'a', Buffer.of(1)),
      statements.addMessage(5, 'a', Buffer.of(2)),
      statements.enqueue(1, 4, 1),
      statements.enqueue(2, 5, 1),
      statements.receive(3, 1),
    ],
    deleteSession(3),
  )
  const saved = await loadSessions(state, 2000)
  expect(saved.sessions.map(({ clientId }) => clientId)).toEqual(['here'])
  expect(saved.subscriptions).toEqual([{ session: 2, filter: 'a', qos: 1 }])
  expect(saved.messages.map(({ id }) => id)).toEqual([5])
  expect(saved.outgoing.map(({ message }) => message)).toEqual([5])
  expect(saved.incoming).toEqual([])
})
