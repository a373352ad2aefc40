import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { createServer, type ListenOptions, type Server } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer } from 'node:tls'
import { Aedes } from 'aedes'
import websocket from 'websocket-stream'
import { serveTasks } from '../support/worker.js'

/** Aedes alone, as it is documented: no access rules, no sessions on disk, no look at what it is sent. */

const LISTEN: ListenOptions = { host: '127.0.0.1', port: 0, backlog: 4096 }

async function portOf(server: Server): Promise<number> {
  server.listen(LISTEN)
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return address.port
}

serveTasks({
  /** `certificates`: the folder of a server's; without it there is no TLS. */
  async listen(certificates) {
    const aedes = new Aedes()
    await aedes.listen()
    const port = await portOf(createServer({ noDelay: true }, (socket) => void aedes.handle(socket)))
    const http = createHttpServer()
    websocket
      .createServer({ server: http })
      .on('stream', (stream: Duplex, request: IncomingMessage) => void aedes.handle(stream, request))
    const ports = { mqtt: port, ws: await portOf(http) }
    if (typeof certificates !== 'string') return { port, ports, pid: process.pid }
    const [key, cert] = await Promise.all(
      ['server.key', 'server.crt'].map((name) => readFile(join(certificates, name))),
    )
    const tls = createTlsServer({ key, cert, noDelay: true }, (socket) => void aedes.handle(socket))
    return { port, ports: { ...ports, mqtts: await portOf(tls) }, pid: process.pid }
  },
})
