import { once } from 'node:events'
import { createServer } from 'node:net'
import { Aedes } from 'aedes'
import { serveTasks } from '../support/worker.js'

/** Aedes alone, as it is documented: no access rules, no sessions on disk, no look at what it is sent. */

serveTasks({
  async listen() {
    const aedes = new Aedes()
    await aedes.listen()
    const server = createServer({ noDelay: true }, (socket) => void aedes.handle(socket))
    server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 })
    await once(server, 'listening')
    const address = server.address()
    return { port: typeof address === 'object' ? address?.port : undefined, pid: process.pid }
  },
})
