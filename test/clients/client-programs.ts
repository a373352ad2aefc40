import { readFile } from 'node:fs/promises'
import { connect, connectAsync, type MqttClient } from 'mqtt'
import { pythonWithPaho } from '../support/packages.js'
import { type RunningProgram, startProgram } from '../support/program.js'
import { ADMINISTRATOR } from '../support/server.js'

export type Scheme = 'mqtt' | 'mqtts' | 'ws' | 'wss'

/** A listener, and the certificate of the CA that vouches for it. */
export interface Address {
  readonly scheme: Scheme
  readonly port: number
  readonly caPath: string
}

export interface Message {
  readonly topic: string
  readonly payload: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
}

/** A message as far as the program shows it. */
export type Received = Pick<Message, 'payload'> & Partial<Message>

export interface Subscription {
  readonly clientId: string
  readonly clean: boolean
  readonly filter: string
  /** At QoS 1, not retained. */
  readonly will: Pick<Message, 'topic' | 'payload'>
}

export interface Subscriber {
  /** What came until the message with this payload, which it waits for. */
  until(payload: string): Promise<readonly Received[]>
  /** Ends it without a DISCONNECT. */
  kill(): Promise<void>
  /** Ends it as its user would. */
  end(): Promise<void>
}

/** An MQTT client that people use. */
export interface ClientProgram {
  readonly name: string
  readonly schemes: readonly Scheme[]
  /** Whether its user can ask for a session that outlives the connection. */
  readonly hasSessions: boolean
  /** Subscribes at QoS 2. */
  subscribe(address: Address, subscription: Subscription): Promise<Subscriber>
  /** Resolves when the message is acknowledged, or sent at QoS 0. */
  publish(address: Address, message: Message): Promise<void>
}

const HOST = 'localhost'

const isSecure = ({ scheme }: Address): boolean => scheme === 'mqtts' || scheme === 'wss'

/** A subscriber that writes each message as a line, which `read` understands. */
function subscriberOf(program: RunningProgram, read: (line: string) => Received | undefined): Subscriber {
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    program.kill(signal)
    await program.ended
  }
  return {
    async until(payload) {
      await program.line((line) => read(line)?.payload === payload)
      return program.lines.flatMap((line) => read(line) ?? [])
    },
    kill: () => end('SIGKILL'),
    end: () => end('SIGTERM'),
  }
}

async function untilDone(program: RunningProgram): Promise<void> {
  const code = await program.ended
  if (code !== 0) throw new Error(`it ended with ${code}:\n${program.lines.join('\n')}`)
}

const next = (client: MqttClient, event: 'connect' | 'message' | 'close'): Promise<void> =>
  new Promise((resolve) => client.once(event, () => resolve()))

const mqttJs: ClientProgram = {
  name: 'mqtt.js',
  schemes: ['mqtt', 'mqtts', 'ws', 'wss'],
  hasSessions: true,
  async subscribe({ scheme, port, caPath }, { clientId, clean, filter, will }) {
    const client = connect(`${scheme}://${HOST}:${port}`, {
      ...{ ...ADMINISTRATOR, clientId, clean, ca: await readFile(caPath), reconnectPeriod: 0 },
      will: { ...will, payload: Buffer.from(will.payload), qos: 1, retain: false },
    })
    const received: Received[] = []
    client.on('message', (topic, payload, { qos, retain }) => {
      received.push({ topic, payload: payload.toString(), qos, retain })
    })
    await next(client, 'connect')
    await client.subscribeAsync(filter, { qos: 2 })
    return {
      async until(payload) {
        while (!received.some((message) => message.payload === payload)) await next(client, 'message')
        return received
      },
      async kill() {
        client.stream.destroy()
        await next(client, 'close')
      },
      end: () => client.endAsync(),
    }
  },
  async publish({ scheme, port, caPath }, { topic, payload, qos, retain }) {
    const options = { ...ADMINISTRATOR, ca: await readFile(caPath), reconnectPeriod: 0 }
    const client = await connectAsync(`${scheme}://${HOST}:${port}`, options, false)
    await client.publishAsync(topic, payload, { qos, retain })
    await client.endAsync()
  },
}

const DRIVER = new URL('paho_client.py', import.meta.url).pathname

function startPaho(address: Address, task: object): RunningProgram {
  const { scheme, port, caPath } = address
  const transport = scheme === 'ws' || scheme === 'wss' ? 'websockets' : 'tcp'
  const connection = { host: HOST, port, transport, ...(isSecure(address) ? { ca: caPath } : {}) }
  return startProgram(pythonWithPaho(), [
    DRIVER,
    JSON.stringify({ ...ADMINISTRATOR, ...connection, ...task }),
  ])
}

const pahoPython: ClientProgram = {
  name: 'Paho for Python',
  schemes: ['mqtt', 'mqtts', 'ws', 'wss'],
  hasSessions: true,
  async subscribe(address, { clientId, clean, filter, will }) {
    const program = startPaho(address, {
      ...{ clientId, clean, subscribe: { filter, qos: 2 } },
      will: { ...will, qos: 1, retain: false },
    })
    return subscriberOf(program, (line) => {
      const event: Received & { readonly event?: string } = JSON.parse(line)
      const { event: kind, ...message } = event
      return kind === 'message' ? message : undefined
    })
  },
  publish: (address, message) =>
    untilDone(startPaho(address, { clientId: 'publisher', clean: true, publish: message })),
}

/** What the programs of Mosquitto and Paho for C have in common. */
function toArguments(message: Message): string[] {
  const { topic, payload, qos, retain } = message
  return ['-t', topic, '-m', payload, '-q', `${qos}`, ...(retain ? ['-r'] : [])]
}

const LOGIN = ['-u', ADMINISTRATOR.username, '-P', ADMINISTRATOR.password]

const mosquitto: ClientProgram = {
  name: 'mosquitto_pub and mosquitto_sub',
  schemes: ['mqtt', 'mqtts'],
  hasSessions: true,
  async subscribe(address, { clientId, clean, filter, will }) {
    const args = [
      ...['-h', HOST, '-p', `${address.port}`, ...(isSecure(address) ? ['--cafile', address.caPath] : [])],
      ...[...LOGIN, '-i', clientId, ...(clean ? [] : ['-c']), '-t', filter, '-q', '2'],
      ...['--will-topic', will.topic, '--will-payload', will.payload, '--will-qos', '1'],
      ...['-F', '{"topic":"%t","payload":"%p","qos":%q,"retain":%r}'],
    ]
    return subscriberOf(startProgram('mosquitto_sub', args), (line) => {
      const message: Omit<Message, 'retain'> & { retain: number } = JSON.parse(line)
      return { ...message, retain: message.retain === 1 }
    })
  },
  publish: (address, message) =>
    untilDone(
      startProgram('mosquitto_pub', [
        ...['-h', HOST, '-p', `${address.port}`, ...(isSecure(address) ? ['--cafile', address.caPath] : [])],
        ...[...LOGIN, ...toArguments(message)],
      ]),
    ),
}

const PAHO_SCHEMES = { mqtt: 'tcp', mqtts: 'ssl', ws: 'ws', wss: 'wss' } as const

function pahoAddress(address: Address): string[] {
  const { scheme, port, caPath } = address
  const url = `${PAHO_SCHEMES[scheme]}://${HOST}:${port}`
  return ['-c', url, ...(isSecure(address) ? ['--cafile', caPath] : [])]
}

const pahoC: ClientProgram = {
  name: 'Paho for C',
  schemes: ['mqtt', 'mqtts', 'ws', 'wss'],
  hasSessions: false,
  async subscribe(address, { clientId, filter, will }) {
    const args = [
      ...[...pahoAddress(address), ...LOGIN, '-i', clientId, '-t', filter, '-q', '2'],
      ...['--will-topic', will.topic, '--will-payload', will.payload, '--will-qos', '1'],
    ]
    return subscriberOf(startProgram('paho_c_sub', args), (payload) => ({ payload }))
  },
  publish: (address, message) =>
    untilDone(startProgram('paho_c_pub', [...pahoAddress(address), ...LOGIN, ...toArguments(message)])),
}

/** The clients whose round trips are tested. */
export const clientPrograms: readonly ClientProgram[] = [mqttJs, pahoPython, mosquitto, pahoC]
