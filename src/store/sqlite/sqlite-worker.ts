import { parentPort, workerData } from 'node:worker_threads'
import type { Store } from '../store.js'
import { openLibsqlStore } from './libsql-store.js'
import { type Answer, type Call, OPENED, packError, type ThreadStart } from './thread-protocol.js'

// The thread that SQLite may block: it opens the file, then answers the calls in the order they come.

if (parentPort === null) throw new Error('sqlite-worker.js is not a program; start damselfly instead')
const port = parentPort
const { path, options }: ThreadStart = workerData

const post = (answer: Answer): void => port.postMessage(answer)

try {
  const store = await openLibsqlStore(path, options)
  port.on('message', (call: Call) => void answer(store, call))
  post({ id: OPENED, value: undefined })
} catch (error) {
  // Without a listener on the port the thread ends here.
  post({ id: OPENED, error: packError(error) })
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
