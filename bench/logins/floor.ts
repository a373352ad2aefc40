import { once } from 'node:events'
import { createServer } from 'node:net'
import { serveTasks } from '../support/worker.js'

/** Answers whatever comes first on a connection with a CONNACK that accepts: what Node costs, and no more. */

const ACCEPTED = Buffer.from([0x20, 2, 0, 0])

/** As the server's own. */
const BACKLOG = 4096

serveTasks({
  async listen() {
    const server = createServer({ noDelay: true }, (socket) => {
      socket.once('data', () => socket.write(ACCEPTED))
      socket.on('data', () => undefined).on('error', () => socket.destroy())
    })
    server.listen({ host: '127.0.0.1', port: 0, backlog: BACKLOG })
    await once(server, 'listening')
    const address = server.address()
    return typeof address === 'object' ? address?.port : undefined
  },
})
