import { createServer } from 'node:net'
import { Aedes } from 'aedes'

/** What Damselfly's start is compared with: the broker that it is built on, with a listener and nothing else. */

const broker = await Aedes.createBroker({ concurrency: 0 })
createServer(broker.handle).listen(0, '127.0.0.1', () => process.stdout.write('ready\n'))
