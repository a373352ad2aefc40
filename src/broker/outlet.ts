import { encodePublish, encodePubrel } from '../mqtt/encode-packet.js'
import { faults, type PacketFault } from '../mqtt/packet-fault.js'
import type { Acknowledgement } from '../mqtt/read-packets.js'
import type { Backlog, LiveMessage, Outgoing } from '../sessions/sessions.js'
import type { DeliveredMessage } from './aedes-delivery.js'
import { createCopyFilter } from './copy-filter.js'
import { awaitedFor, createDeliveryWindow, type DeliveryWindow } from './delivery-window.js'
import { createFifo } from './fifo.js'
import type { OutletParts } from './outlet-parts.js'

/** A message that has just come. */
interface Fresh extends LiveMessage {
  readonly isRetained: boolean
}

/** A message that waits in memory. */
interface Waiting extends Fresh {
  readonly bytes: number
  readonly left: (() => void) | undefined
}

/** What a message takes beside its topic and payload while it waits. */
const OVERHEAD_BYTES = 100

/** Messages that are given packet identifiers in one commit. */
const TAKEN_TOGETHER = 100

/**
 * The messages on their way to one client. They leave while the socket takes them, those of QoS 1 and 2 also only
 * while the client has few enough unacknowledged, and each kind in its order [MQTT-4.6.0-5]. The others wait in
 * the session's backlog, or, of a clean session and of QoS 0, in memory; a message that finds no room there is
 * dropped, as with Mosquitto, and the connection of a client that reads slowly is kept.
 */
export class Outlet {
  readonly #parts: OutletParts
  readonly #window: DeliveryWindow
  readonly #unacknowledged = createFifo<Waiting & { readonly encoded: Buffer }>()
  readonly #acknowledged = createFifo<Waiting>()
  readonly #isFirstCopy = createCopyFilter()
  #waitingBytes = 0
  #taken: Outgoing[] = []
  #hasMore = true
  #isTaking = false
  #isOpen = false
  #known: { readonly backlog: Backlog | undefined } | undefined

  constructor(parts: OutletParts) {
    this.#parts = parts
    const isReserved = (id: number): boolean => this.#backlog?.reserves(id) === true
    this.#window = createDeliveryWindow(parts.limits.maxInflight, isReserved)
  }

  get #backlog(): Backlog | undefined {
    this.#known ??= { backlog: this.#parts.backlog(() => this.#lookAgain()) }
    return this.#known.backlog
  }

  /** A message for a subscription of this QoS; `left` is called when it has left or was dropped. */
  deliver(message: DeliveredMessage, granted: 0 | 1 | 2, left?: () => void): void {
    const { topic, payload, retain: isRetained } = message
    const qos = message.qos < granted ? message.qos : granted
    const stamp = { brokerId: message.brokerId ?? undefined, brokerCounter: message.brokerCounter }
    const backlog = message.qos === 0 || isRetained ? undefined : this.#backlog
    if (backlog !== undefined) this.#hasMore = true
    const isFirst = this.#isFirstCopy(stamp)
    // What the backlog does not hold at QoS 1 and 2 found its queue full.
    const isQueued = backlog !== undefined && (qos > 0 || backlog.holds(stamp, granted))
    const outgoing = { topic, payload, qos, isRetained }
    if (!isFirst || isQueued || !this.#parts.mayReceive(topic)) left?.()
    else if (this.#sendAtOnce(outgoing)) {
      left?.()
      if (backlog === undefined) return // nothing that waits may leave on account of it
    } else this.#wait(outgoing, left)
    this.#flow()
  }

  /** CONNACK has left, and messages may from now on; or there may be more in the backlog. */
  open(): void {
    this.#isOpen = true
    this.#lookAgain()
  }

  /** The connection takes more again. */
  drained(): void {
    this.#flow()
  }

  /** The client's own message is done with: PUBACK. */
  acknowledge(packetIdentifier: number): void {
    this.#parts.pressure.acknowledge(packetIdentifier)
  }

  /**
   * The client has sent this of a message, which is wrong where that was sent to be answered otherwise. What was
   * not sent may be of an earlier connection, or of nothing, and is let be (MQTT 3.1.1, 4.3).
   */
  received(kind: Acknowledgement, packetIdentifier: number): PacketFault | undefined {
    const awaited = this.#window.awaited(packetIdentifier)
    if (awaited === undefined) return undefined
    const isAgain = kind === 'pubrec' && awaited === 'pubcomp'
    if (kind !== awaited && !isAgain) return faults.wrongAcknowledgement
    if (kind === 'pubrec') this.#window.sent(packetIdentifier, 'pubcomp')
    return undefined
  }

  /** The client has acknowledged a message for good, with PUBACK or PUBCOMP. */
  acknowledged(packetIdentifier: number): void {
    this.#window.free(packetIdentifier)
    this.#flow()
  }

  /** The connection has ended. */
  stop(): void {
    this.#isOpen = false
    this.#unacknowledged.clear()
    this.#acknowledged.clear()
    this.#taken = []
  }

  #lookAgain(): void {
    this.#hasMore = true
    this.#flow()
  }

  #wait({ topic, payload, qos, isRetained }: Fresh, left: (() => void) | undefined): void {
    const { limits, stream, fanOut, dropped } = this.#parts
    const bytes = topic.length + payload.length + OVERHEAD_BYTES
    const hasBytes = this.#waitingBytes === 0 || this.#waitingBytes + bytes <= limits.maxBufferedBytes
    const isNext = this.#acknowledged.length === 0 && this.#window.room > 0
    const hasPlace = qos === 0 || isNext || this.#acknowledged.length < limits.maxQueued
    if (!stream.writable || !hasBytes || !hasPlace) {
      if (stream.writable) dropped(qos)
      left?.()
      return
    }
    this.#waitingBytes += bytes
    if (qos > 0) {
      this.#acknowledged.push({ topic, payload: fanOut.own(payload), qos, isRetained, left, bytes })
    } else {
      const encoded = fanOut.encode({ topic, payload, isRetained })
      this.#unacknowledged.push({ topic, payload: '', qos, isRetained, left, bytes, encoded })
    }
  }

  /** `false`: it has to wait. */
  #sendAtOnce(message: Fresh): boolean {
    const { stream, pressure, fanOut } = this.#parts
    const { length } = message.qos === 0 ? this.#unacknowledged : this.#acknowledged
    if (length > 0 || !this.#isOpen || pressure.isFull || !stream.writable) return false
    if (message.qos === 0) {
      pressure.write(fanOut.encode(message))
      return true
    }
    const packetIdentifier = this.#window.room > 0 ? this.#window.take() : undefined
    if (packetIdentifier === undefined) return false
    this.#send(message, packetIdentifier)
    return true
  }

  #flow(): void {
    const { stream, pressure } = this.#parts
    while (this.#isOpen && !pressure.isFull && stream.writable) {
      const isSent = this.#sendTaken() || this.#sendAcknowledged()
      if (!this.#sendUnacknowledged() && !isSent && !this.#take()) return
    }
  }

  /** Takes from the backlog; `true`: there is something to be sent. */
  #take(): boolean {
    const count = Math.min(this.#window.room, TAKEN_TOGETHER)
    if (!this.#hasMore || this.#isTaking || count === 0) return false
    this.#hasMore = false
    const keep = (taken: readonly Outgoing[]): boolean => {
      if (taken.length === count) this.#hasMore = true
      this.#taken = [...taken]
      return taken.length > 0
    }
    const taken = this.#backlog?.take(count, this.#window) ?? []
    if (!(taken instanceof Promise)) return keep(taken)
    this.#isTaking = true
    taken
      .then(keep)
      .finally(() => {
        this.#isTaking = false
      })
      .then(
        () => this.#flow(),
        (error: unknown) => this.#parts.stream.destroy(new Error(`its queue failed: ${String(error)}`)),
      )
    return false
  }

  #sendTaken(): boolean {
    const packet = this.#taken.shift()
    if (packet === undefined) return false
    const { packetIdentifier } = packet
    if (packet.cmd === 'pubrel') {
      this.#window.sent(packetIdentifier, 'pubcomp')
      this.#parts.pressure.write(encodePubrel(packetIdentifier))
    } else if (this.#parts.mayReceive(packet.topic)) {
      this.#window.sent(packetIdentifier, awaitedFor(packet.qos))
      const { topic, payload, qos, isRepeated } = packet
      this.#parts.pressure.write(
        encodePublish({ topic, payload, qos, isRepeated, isRetained: false, packetIdentifier }),
      )
    } else {
      this.#window.free(packetIdentifier)
      this.#backlog?.discard(packetIdentifier).catch(() => undefined) // it is looked at again on the next connection
    }
    return true
  }

  #sendAcknowledged(): boolean {
    if (this.#acknowledged.length === 0 || this.#window.room === 0) return false
    const packetIdentifier = this.#window.take()
    const message = packetIdentifier === undefined ? undefined : this.#acknowledged.shift()
    if (packetIdentifier === undefined || message === undefined) return false
    if (this.#parts.mayReceive(message.topic)) this.#send(message, packetIdentifier)
    else this.#window.free(packetIdentifier)
    this.#leave(message)
    return true
  }

  #send(
    { topic, payload, qos, isRetained }: Omit<Waiting, 'bytes' | 'left'>,
    packetIdentifier: number,
  ): void {
    this.#window.sent(packetIdentifier, awaitedFor(qos))
    this.#parts.pressure.write(
      encodePublish({ topic, payload, qos, isRepeated: false, isRetained, packetIdentifier }),
    )
  }

  #sendUnacknowledged(): boolean {
    const message = this.#unacknowledged.shift()
    if (message === undefined) return false
    this.#parts.pressure.write(message.encoded)
    this.#leave(message)
    return true
  }

  #leave({ bytes, left }: Waiting): void {
    this.#waitingBytes -= bytes
    left?.()
  }
}
