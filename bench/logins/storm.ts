import { connect, type Socket } from 'node:net'
import { connectPacket, createPacketReader, DISCONNECT, PacketType } from '../support/packets.js'
import { isRecord, serveTasks } from '../support/worker.js'

/** Opens as many connections as there are logins, all at once, and logs in on each. */

/** What became of the logins so far. */
interface Tally {
  /** By return code, by the code of a socket's error, or `closed`. */
  readonly answers: Map<string, number>
  lastMs: number
}

/** As the firmware in the field asks for. */
const KEEP_ALIVE_SECONDS = 60

const sockets = new Set<Socket>()

/** An address for each of them, as devices have; all of 127.0.0.0/8 is this machine. (RFC 1122, 3.2.1.3) */
const addressOf = (index: number): string => `127.1.${index >> 8}.${index & 255}`

/** Logs in once, and calls `answered` once, with what came of it. */
function logIn(
  port: number,
  localAddress: string,
  { user, password }: { readonly user: string; readonly password: string },
  answered: (answer: string) => void,
): void {
  const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true })
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

function storm(
  port: number,
  isBehindOneAddress: boolean,
  logins: readonly (readonly [user: string, password: string])[],
  withinMs: number,
): Promise<object> {
  const firstMs = performance.now()
  const tally: Tally = { answers: new Map(), lastMs: firstMs }
  let open = logins.length
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(limit)
      resolve({
        answers: Object.fromEntries(tally.answers),
        tookMs: (open === 0 ? tally.lastMs : performance.now()) - firstMs,
      })
    }
    const limit = setTimeout(end, withinMs)
    for (const [index, [user, password]] of logins.entries()) {
      logIn(port, isBehindOneAddress ? '127.0.0.1' : addressOf(index), { user, password }, (answer) => {
        tally.answers.set(answer, (tally.answers.get(answer) ?? 0) + 1)
        tally.lastMs = performance.now()
        open -= 1
        if (open === 0) end()
      })
    }
  })
}

/** Ends every connection as a client does, and resolves when the server has closed all. */
async function leave(): Promise<void> {
  await Promise.all(
    [...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve).end(DISCONNECT))),
  )
}

function loginsOf(value: unknown): [user: string, password: string][] {
  if (!Array.isArray(value)) throw new Error('no logins')
  return value.map((login: unknown) => {
    if (!Array.isArray(login)) throw new Error('no login')
    return [String(login[0]), String(login[1])]
  })
}

serveTasks({
  async storm(input) {
    if (!isRecord(input)) throw new Error('no input')
    const { port, isBehindOneAddress, logins, withinMs } = input
    return storm(Number(port), isBehindOneAddress === true, loginsOf(logins), Number(withinMs))
  },
  leave,
})
