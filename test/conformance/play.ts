import { once } from 'node:events'
import { connect as dial, type Socket } from 'node:net'
import { pingreq } from './bytes.js'
import type { Step } from './case.js'

/** Nothing that a server does takes so long: Mosquitto looks at keep alives every 5 s. */
const PATIENCE_MS = 20_000

const PUBLISH = 3
const PUBREL = 6

/** The first bytes of a long packet say enough. */
const SHOWN_BYTES = 48

interface Peer {
  readonly socket: Socket
  /** Packets that no step has spoken of yet. */
  readonly packets: Buffer[]
  isClosed: boolean
  /** Called when there is something new. */
  changed: () => void
  /** Packet identifiers of the server in the order of their appearance. */
  readonly identifiers: number[]
}

/**
 * Does the steps against a server, and says in a line each what was seen, in the words of `expected`. Which
 * packet identifiers a server chooses is its business: the first that it uses on a connection is shown as 1,
 * the next as 2, and those that a step sends back are turned into its own.
 */
export async function play(port: number, steps: readonly Step[]): Promise<string[]> {
  const peers = new Map<string, Peer>()
  const lines: string[] = []
  try {
    for (const step of steps) {
      const line = await perform(port, peers, step)
      if (line !== undefined) lines.push(line)
    }
  } finally {
    for (const { socket } of peers.values()) socket.destroy()
  }
  return lines
}

/** What `play` returns when a server does all that the steps say. */
export function expected(steps: readonly Step[]): string[] {
  return steps.flatMap((step) => {
    if (step.do === 'gets') return [`${step.client} gets ${show(step.packets)}`]
    return step.do === 'open' || step.do === 'closed' ? [`${step.client} is ${step.do}`] : []
  })
}

async function perform(port: number, peers: Map<string, Peer>, step: Step): Promise<string | undefined> {
  const { client } = step
  const peer = peers.get(client)
  if (step.do === 'send') {
    const { socket, identifiers } = peer ?? (await open(port, peers, client))
    socket.write(withServersIdentifiers(step.bytes, identifiers))
    return undefined
  }
  if (peer === undefined) throw new Error(`no connection of ${client}`)
  if (step.do === 'leave') {
    peers.delete(client)
    peer.socket.destroy()
    return undefined
  }
  if (step.do === 'gets') {
    await until(peer, () => peer.isClosed || peer.packets.length >= step.packets.length)
    return `${client} gets ${show(peer.packets.splice(0, step.packets.length))}`
  }
  const isAnswered = (): boolean => peer.packets.at(-1)?.[0] === 0xd0
  if (!peer.isClosed) peer.socket.write(pingreq)
  await until(peer, () => peer.isClosed || isAnswered())
  const state = peer.isClosed ? 'closed' : isAnswered() ? 'open' : 'silent'
  const others = peer.packets.splice(0).filter((packet) => packet[0] !== 0xd0)
  return `${client} is ${state}${others.length === 0 ? '' : `, after ${show(others)}`}`
}

async function open(port: number, peers: Map<string, Peer>, client: string): Promise<Peer> {
  const socket = dial({ port, host: '127.0.0.1', noDelay: true })
  const peer: Peer = { socket, packets: [], isClosed: false, changed: () => undefined, identifiers: [] }
  peers.set(client, peer)
  let unread = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    unread = Buffer.concat([unread, chunk])
    for (let end = packetEnd(unread); end !== undefined; end = packetEnd(unread)) {
      peer.packets.push(withOwnIdentifiers(unread.subarray(0, end), peer.identifiers))
      unread = unread.subarray(end)
    }
    peer.changed()
  })
  socket.on('error', () => undefined) // 'close' follows
  socket.on('close', () => {
    peer.isClosed = true
    peer.changed()
  })
  await once(socket, 'connect')
  return peer
}

/** Resolves when it is seen, or when patience is at its end. */
async function until(peer: Peer, isSeen: () => boolean): Promise<void> {
  if (isSeen()) return
  await new Promise<void>((resolve) => {
    const patience = setTimeout(resolve, PATIENCE_MS)
    peer.changed = () => {
      if (!isSeen()) return
      clearTimeout(patience)
      resolve()
    }
  })
}

function packetEnd(bytes: Buffer): number | undefined {
  let length = 0
  for (let at = 1; at < bytes.length && at <= 4; at += 1) {
    const byte = bytes[at] ?? 0
    length += (byte & 0x7f) << (7 * (at - 1))
    if (byte < 0x80) return at + 1 + length <= bytes.length ? at + 1 + length : undefined
  }
  return undefined
}

/** Where a packet of a server has a packet identifier that the server chose. */
function identifierAt(packet: Buffer): number | undefined {
  const type = (packet[0] ?? 0) >> 4
  if (type === PUBREL) return 2
  if (type !== PUBLISH || ((packet[0] ?? 0) & 6) === 0) return undefined
  let at = 1
  while ((packet[at] ?? 0) >= 0x80) at += 1
  return at + 3 + packet.readUInt16BE(at + 1)
}

function withOwnIdentifiers(packet: Buffer, identifiers: number[]): Buffer {
  const at = identifierAt(packet)
  if (at === undefined) return packet
  const identifier = packet.readUInt16BE(at)
  if (!identifiers.includes(identifier)) identifiers.push(identifier)
  const own = Buffer.from(packet)
  own.writeUInt16BE(identifiers.indexOf(identifier) + 1, at)
  return own
}

/** A PUBACK, PUBREC or PUBCOMP of 1 answers the first message that came. */
function withServersIdentifiers(sent: Buffer, identifiers: readonly number[]): Buffer {
  const isAnswer = sent.length === 4 && [0x40, 0x50, 0x70].includes(sent[0] ?? 0) && sent[1] === 2
  const identifier = isAnswer ? identifiers[sent.readUInt16BE(2) - 1] : undefined
  if (identifier === undefined) return sent
  const answer = Buffer.from(sent)
  answer.writeUInt16BE(identifier, 2)
  return answer
}

function show(packets: readonly Buffer[]): string {
  const shown = packets.map((packet) => {
    const hex = packet.subarray(0, SHOWN_BYTES).toString('hex')
    return packet.length > SHOWN_BYTES ? `${hex}… (${packet.length} bytes)` : hex
  })
  return shown.length === 0 ? 'nothing' : shown.join(' ')
}
