import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { connectPacket, createPacketReader, DISCONNECT, PacketType } from '../support/packets.js'
import { isRecord, serveTasks } from '../support/worker.js'

/** Opens as many connections as there are logins, all at once, and logs in on each. */

/** What a storm is. */
interface Storm {
  readonly port: number
  readonly isBehindOneAddress: boolean
  readonly logins: readonly Login[]
  /** Those that are not answered by then count as that. */
  readonly withinMs: number
}

type Login = readonly [user: string, password: string]

/** Opening a connection takes 0.1 ms; the first are to send their CONNECT before the last is opened. */
const OPENED_AT_ONCE = 50

/** As the firmware in the field asks for. */
const KEEP_ALIVE_SECONDS = 60

const sockets = new Set<Socket>()

/** An address for each of them, as devices have; all of 127.0.0.0/8 is this machine. (RFC 1122, 3.2.1.3) */
const addressOf = (index: number): string => `127.1.${index >> 8}.${index & 255}`

/** Logs in once, and calls `answered` once, with what came of it. */
function logIn(
  port: number,
  localAddress: string | undefined,
  [user, password]: Login,
  answered: (answer: string) => void,
): void {
  // Bound only where it has to be: to bind thousands to one address takes the kernel seconds.
  const from = localAddress === undefined ? {} : { localAddress }
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, ...from })
  let isAnswered = false
  const answer = (text: string): void => {
    if (isAnswered) return
    isAnswered = true
    answered(text)
  }
  sockets.add(socket)
  socket.on(
    'data',
    createPacketReader(({ type, body }) => {
      if (type === PacketType.connack) answer(String(body[1]))
    }),
  )
  socket.on('error', (error: NodeJS.ErrnoException) => answer(error.code ?? 'error'))
  socket.on('close', () => {
    sockets.delete(socket)
    answer('closed')
  })
  socket.write(connectPacket(user, user, password, KEEP_ALIVE_SECONDS))
}

async function storm({ port, isBehindOneAddress, logins, withinMs }: Storm): Promise<object> {
  const firstMs = performance.now()
  const answers = new Map<string, number>()
  let tookMs = withinMs
  let open = logins.length
  const { promise: ended, resolve: end } = createPromise()
  const limit = setTimeout(end, withinMs)
  const answered = (answer: string): void => {
    answers.set(answer, (answers.get(answer) ?? 0) + 1)
    open -= 1
    if (open > 0) return
    tookMs = performance.now() - firstMs
    end()
  }
  for (const [index, login] of logins.entries()) {
    logIn(port, isBehindOneAddress ? undefined : addressOf(index), login, answered)
    if (index % OPENED_AT_ONCE === 0) await nextTurn()
  }
  await ended
  clearTimeout(limit)
  return { answers: Object.fromEntries(answers), tookMs }
}

function createPromise(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

/** Ends every connection as a client does, and resolves when the server has closed all. */
async function leave(): Promise<void> {
  await Promise.all(
    [...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve).end(DISCONNECT))),
  )
}

function loginsOf(value: unknown): Login[] {
  if (!Array.isArray(value)) throw new Error('no logins')
  return value.map((login: unknown): Login => {
    if (!Array.isArray(login)) throw new Error('no login')
    return [String(login[0]), String(login[1])]
  })
}

serveTasks({
  async storm(input) {
    if (!isRecord(input)) throw new Error('no input')
    const { port, isBehindOneAddress, logins, withinMs } = input
    return storm({
      port: Number(port),
      isBehindOneAddress: isBehindOneAddress === true,
      logins: loginsOf(logins),
      withinMs: Number(withinMs),
    })
  },
  leave,
})
