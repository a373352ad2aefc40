import { connect, createServer, type Socket } from 'node:net'

/** What becomes of what comes through. */
type Fate = 'pass' | 'swallow' | 'cut'

interface Pair {
  readonly near: Socket
  readonly far: Socket
  fate: Fate
}

/** A line between a client and a server, which can be made to fail as lines do. */
export interface Line {
  readonly port: number
  /** Connections from now on are as good as before. */
  heal(): void
  /** Both ends of every connection are told that it is over. */
  reset(): void
  /** From now on nothing arrives, on old connections and new ones, and nobody is told. */
  swallow(): void
  /** The server's ends are closed, and the clients are not told. */
  halfOpen(): void
  /** What comes next on each connection arrives by half, and then it ends. */
  cut(): void
  close(): void
}

/** Passes connections on to a port of 127.0.0.1, until whoever called it closes the line. */
export async function startLine(to: number): Promise<Line> {
  const pairs = new Set<Pair>()
  let isSwallowing = false

  const end = (pair: Pair): void => {
    pairs.delete(pair)
    pair.near.resetAndDestroy()
    pair.far.resetAndDestroy()
  }

  const pass = (pair: Pair, from: Socket, into: Socket): void => {
    from.on('data', (chunk: Buffer) => {
      if (pair.fate === 'swallow') return
      const isCut = pair.fate === 'cut'
      const isFull = !into.write(isCut ? chunk.subarray(0, chunk.length / 2) : chunk)
      if (isCut) into.write('', () => end(pair))
      else if (isFull) {
        from.pause()
        into.once('drain', () => from.resume())
      }
    })
    from.on('error', () => undefined) // seen by `close`
    from.on('close', () => {
      if (pair.fate !== 'swallow') end(pair)
    })
  }

  const server = createServer((near) => {
    const far = connect({ port: to, host: '127.0.0.1', noDelay: true })
    near.setNoDelay(true)
    const pair: Pair = { near, far, fate: isSwallowing ? 'swallow' : 'pass' }
    pairs.add(pair)
    pass(pair, near, far)
    pass(pair, far, near)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')

  const each = (does: (pair: Pair) => void) => (): void => {
    for (const pair of [...pairs]) does(pair)
  }
  return {
    port: address.port,
    heal() {
      isSwallowing = false
    },
    reset: each(end),
    swallow() {
      isSwallowing = true
      for (const pair of pairs) pair.fate = 'swallow'
    },
    halfOpen: each((pair) => {
      pair.fate = 'swallow'
      pair.far.destroy()
    }),
    cut: each((pair) => {
      if (pair.fate === 'pass') pair.fate = 'cut'
    }),
    close() {
      server.close()
      each(end)()
    },
  }
}
