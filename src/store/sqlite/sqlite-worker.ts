import { parentPort } from 'node:worker_threads'
import type { Store } from '../store.js'
import { openLibsqlStore } from './libsql-store.js'
import {
  type Answer,
  type Call,
  LOADED,
  OPENED,
  packError,
  type ThreadStart,
  takeMessages,
} from './thread-protocol.js'

// The thread that SQLite may block: it is told which file to open, then answers the calls in the order they come.

if (parentPort === null) throw new Error('sqlite-worker.js is not a program; start damselfly instead')
const port = parentPort

const post = (answer: Answer): void => port.postMessage(answer)

let store: Store | undefined

takeMessages(port, (message: ThreadStart | Call) => {
  if ('path' in message) void open(message)
  else if (store !== undefined) void answer(store, message)
})
port.postMessage(LOADED)

async function open({ path, options }: ThreadStart): Promise<void> {
  try {
    store = await openLibsqlStore(path, options)
    post({ id: OPENED, value: undefined })
  } catch (error) {
    post({ id: OPENED, error: packError(error) })
    port.close()
  }
}

async function answer(store: Store, call: Call): Promise<void> {
  try {
    post({ id: call.id, value: await perform(store, call) })
  } catch (error) {
    post({ id: call.id, error: packError(error) })
  }
}

function perform(store: Store, call: Call): Promise<unknown> {
  switch (call.method) {
    case 'write':
      return store.write(...call.args)
    case 'setPresence':
      return store.setPresence(...call.args)
    case 'findSilent':
      return store.findSilent(...call.args)
    case 'newestSeen':
      return store.newestSeen()
    case 'findDevice':
      return store.findDevice(...call.args)
    case 'findDevices':
      return store.findDevices(...call.args)
    case 'addDevice':
      return store.addDevice(...call.args)
    case 'setSecret':
      return store.setSecret(...call.args)
    case 'removeDevice':
      return store.removeDevice(...call.args)
    case 'reportDevice':
      return store.reportDevice(...call.args)
    case 'reportDevices':
      return store.reportDevices()
    case 'listDevices':
      return store.listDevices(...call.args)
    case 'historyOf':
      return store.historyOf(...call.args)
    case 'readHistory':
      return store.readHistory(...call.args)
    case 'pruneHistory':
      return store.pruneHistory(...call.args)
    case 'ping':
      return store.ping()
    case 'close':
      return store.close()
  }
}
