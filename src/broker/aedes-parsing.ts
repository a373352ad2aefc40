import { type PacketTaker, readPackets } from '../mqtt/read-packets.js'
import { createTopicReader } from '../mqtt/topic-names.js'
import type { Client } from './aedes-broker.js'

/** A packet as Aedes handles it. */
export interface AedesPacket {
  readonly cmd: string
  readonly messageId?: number | undefined
  readonly subscriptions?: readonly { readonly topic: string; readonly qos: 0 | 1 | 2 }[]
}

/** Aedes's own way with what a client sends. */
export interface AedesParsing {
  /** Has Aedes handle a packet. */
  handle(packet: AedesPacket): void
  /** Has Aedes take packets apart, and handle each that `take` returns `false` for. */
  parse(bytes: Buffer): void
  /** Does with what was read what is done when Aedes reads it. */
  read(packets: Buffer): void
  /** Packets that Aedes has not done with. */
  readonly open: number
}

/** What this file relies on in Aedes's client, beyond its types. */
interface ParsingClient {
  /** An `mqtt-packet` parser, whose only listener for packets is Aedes's. */
  readonly _parser: {
    parse(bytes: Buffer): unknown
    listeners(event: 'packet'): unknown[]
    removeAllListeners(event: 'packet'): unknown
    on(event: 'packet', listener: (packet: AedesPacket) => void): unknown
  }
  /** What Aedes has called when a packet is done with; it is looked up when the packet is begun. */
  _nextBatch: (error?: unknown) => void
}

/**
 * Has whole packets of `client` taken by `taker`, where Aedes has its own parser read them: from a list of buffers,
 * a byte at a time, which costs more than all that is done with a PUBLISH. `parsed` is called behind each read's.
 */
export function parseInstead(
  client: Client,
  takerOf: (aedes: AedesParsing) => PacketTaker,
  take: (packet: AedesPacket) => boolean,
  parsed: () => void,
): AedesParsing {
  const parsing = asParsing(client)
  const { _parser: parser } = parsing
  const [enqueue] = parser.listeners('packet')
  if (typeof enqueue !== 'function') throw new Error('an Aedes that does not listen to its parser')
  let open = 0
  const handle = (packet: AedesPacket): void => {
    const next = parsing._nextBatch
    open += 1
    parsing._nextBatch = (error) => {
      open -= 1
      next(error)
    }
    Reflect.apply(enqueue, parser, [packet])
    parsing._nextBatch = next
  }
  parser.removeAllListeners('packet')
  parser.on('packet', (packet) => {
    if (!take(packet)) handle(packet)
  })
  const parse = parser.parse.bind(parser)
  const aedes: AedesParsing = {
    handle,
    parse: (bytes) => void parse(bytes),
    read(packets) {
      readPackets(packets, topicOf, taker)
      parsed()
    },
    get open() {
      return open
    },
  }
  const taker = takerOf(aedes)
  const topicOf = createTopicReader()
  parser.parse = aedes.read
  return aedes
}

function asParsing(client: object): ParsingClient {
  if (!isParsing(client)) throw new Error('an Aedes whose clients parse otherwise')
  return client
}

function isParsing(client: object): client is ParsingClient {
  const parser: unknown = Reflect.get(client, '_parser')
  const isParser = typeof parser === 'object' && parser !== null && 'parse' in parser && 'listeners' in parser
  return isParser && typeof Reflect.get(client, '_nextBatch') === 'function'
}
