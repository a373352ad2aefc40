import { bytes, connack, connect, type Part } from './bytes.js'

/** One thing that happens on one of the connections of a case. */
export type Step =
  /** Sends the bytes, on a new connection if the client has none. */
  | { readonly do: 'send'; readonly client: string; readonly bytes: Buffer }
  /** Is sent these packets, and no others before them. Where an identifier is the server's choice: see `play`. */
  | { readonly do: 'gets'; readonly client: string; readonly packets: readonly Buffer[] }
  /** Is sent nothing more, and gets its PINGRESP. */
  | { readonly do: 'open'; readonly client: string }
  /** Is sent nothing more, and its connection is closed by the server. */
  | { readonly do: 'closed'; readonly client: string }
  /** Ends its connection without a word, and may come back. */
  | { readonly do: 'leave'; readonly client: string }

/** What a server is to do with certain bytes. */
export interface Case {
  /** Of MQTT 3.1.1: the number of a statement, or a section. */
  readonly clause: string
  readonly name: string
  readonly steps: readonly Step[]
}

/** How a case with one client ends: what it is sent, and whether the connection is open then. */
export interface Outcome {
  readonly packets: readonly Buffer[]
  readonly end: 'open' | 'closed'
}

/** The connection stays, after these packets. */
export const opens = (...packets: readonly Buffer[]): Outcome => ({ packets, end: 'open' })

/** The connection is closed, after these packets. */
export const closes = (...packets: readonly Buffer[]): Outcome => ({ packets, end: 'closed' })

/** The outcome as the last steps of a case. */
export function outcomeSteps({ packets, end }: Outcome, client = 'a'): Step[] {
  const gets: Step[] = packets.length === 0 ? [] : [{ do: 'gets', client, packets }]
  return [...gets, { do: end, client }]
}

export const send = (client: string, ...parts: readonly Part[]): Step => ({
  do: 'send',
  client,
  bytes: bytes(...parts),
})
export const gets = (client: string, ...packets: readonly Buffer[]): Step => ({ do: 'gets', client, packets })
export const isOpen = (client: string): Step => ({ do: 'open', client })
export const isClosed = (client: string): Step => ({ do: 'closed', client })
export const leave = (client: string): Step => ({ do: 'leave', client })

/** A client that is let in, by a CONNECT of its own or this one. */
export const enter = (client: string, packet: Buffer = connect(), isPresent = false): Step[] => [
  send(client, packet),
  gets(client, connack(0, isPresent)),
]

/** What a new connection gets for its first bytes. */
export const atConnect = (clause: string, name: string, sent: Buffer, outcome: Outcome): Case => ({
  clause,
  name,
  steps: [send('a', sent), ...outcomeSteps(outcome)],
})

/** What a client of MQTT 3.1.1, or 3.1, gets for some bytes after its CONNACK. */
export const afterConnack = (
  clause: string,
  name: string,
  sent: Buffer,
  outcome: Outcome,
  level: 3 | 4 = 4,
): Case => ({
  clause,
  name: level === 3 ? `${name}, in MQTT 3.1` : name,
  steps: [...enter('a', connect({ level })), send('a', sent), ...outcomeSteps(outcome)],
})

/** A case of several steps; each client that is mentioned in the end is to have no more. */
export const scenario = (
  clause: string,
  name: string,
  ...steps: readonly (Step | readonly Step[])[]
): Case => ({
  clause,
  name,
  steps: steps.flat(),
})
