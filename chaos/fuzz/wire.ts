import { once } from 'node:events'
import { connect, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, WebSocket } from 'ws'
import { type Answers, createAnswers } from './answers.js'

/** Where a server listens. */
export interface Ports {
  readonly port: number
  readonly websocketPort: number
}

/** A connection for bytes of any kind. */
export interface Wire {
  readonly answers: Answers
  /** Whether the other side has ended it; seen only where it is read. */
  readonly isEnded: boolean
  /** Whether bytes may still be written. */
  readonly isOpen: boolean
  /** Writes, and waits while the other side takes nothing, for a while. */
  write(bytes: Buffer): Promise<void>
  /** Looks after each answer until it holds; resolves after `withinMs` at the latest, or with the end. */
  until(holds: () => boolean, withinMs: number): Promise<void>
  /** Closes this side's half. */
  finish(): void
  /** Ends it: with FIN, or where the other side has sent more, and always if `isReset`, with RST. */
  destroy(isReset: boolean): void
}

/** A server that does not read any more because its client reads nothing is not waited for any longer. */
const TAKES_WITHIN_MS = 500

/** Connects; `undefined` when nobody takes the connection. */
export async function openWire(
  ports: Ports,
  isWebSocket: boolean,
  reads: boolean,
): Promise<Wire | undefined> {
  try {
    return createWire(isWebSocket ? await openWebSocket(ports) : await openSocket(ports), reads)
  } catch {
    return undefined
  }
}

async function openSocket({ port }: Ports): Promise<Duplex> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  return socket
}

async function openWebSocket({ websocketPort }: Ports): Promise<Duplex> {
  const socket = new WebSocket(`ws://127.0.0.1:${websocketPort}`, 'mqtt')
  await once(socket, 'open')
  const stream = createWebSocketStream(socket)
  socket.once('close', () => stream.destroy())
  return stream
}

function createWire(stream: Duplex, reads: boolean): Wire {
  const answers = createAnswers()
  const watchers = new Set<() => void>()
  let isEnded = false
  const look = (): void => {
    for (const watch of [...watchers]) watch()
  }
  const end = (): void => {
    isEnded = true
    look()
  }
  stream.on('error', () => undefined) // 'close' follows
  stream.once('close', end)
  stream.once('end', end)
  stream.on('drain', look)
  if (reads) {
    stream.on('data', (chunk: Buffer) => {
      answers.take(chunk)
      look()
    })
  }
  const until: Wire['until'] = (holds, withinMs) =>
    new Promise((resolve) => {
      const watch = (): void => {
        if (!isEnded && !holds()) return
        done()
      }
      const done = (): void => {
        watchers.delete(watch)
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(done, withinMs)
      watchers.add(watch)
      watch()
    })

  return {
    answers,
    until,
    get isEnded() {
      return isEnded
    },
    get isOpen() {
      return !isEnded && stream.writable
    },
    async write(bytes) {
      if (stream.writable && !stream.write(bytes)) {
        await until(() => !stream.writableNeedDrain, reads ? 60_000 : TAKES_WITHIN_MS)
      }
    },
    finish: () => void stream.end(),
    destroy(isReset) {
      if (isReset && stream instanceof Socket) stream.resetAndDestroy()
      else stream.destroy()
    },
  }
}
