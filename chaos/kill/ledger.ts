/** A message, and what became of it as far as its clients know. */
export interface Message {
  /** Told from every other message of the run by this number, which is its value. */
  readonly number: number
  readonly publisher: string
  readonly topic: string
  readonly qos: 1 | 2
  readonly payload: string
  /** Whether it is a reading, and so to be in the history. */
  readonly isReading: boolean
  /** Whether it says when it was measured, so that a repeat is recognised. */
  readonly hasOwnTime: boolean
  /** How often it was sent. */
  transmissions: number
  isAcknowledged: boolean
  /** How often each subscriber has handed it on, by the subscriber's index. */
  readonly deliveries: number[]
}

/** Sums over a run. */
export interface Counts {
  /** Acknowledged messages: readings, and others. */
  readings: number
  others: number
  /** Transmissions of acknowledged messages beside the first. */
  repeats: number
}

/** What was published since the last check. */
export interface Ledger {
  readonly open: ReadonlyMap<number, Message>
  /** Gives a message its number, and keeps it. */
  add(make: (number: number) => Message): Message
  /** Forgets what has been checked. */
  close(): void
  readonly lastNumber: number
  /** Of the whole run. */
  readonly counts: Counts
  readonly faults: string[]
}

/** An empty ledger. */
export function createLedger(): Ledger {
  const open = new Map<number, Message>()
  const counts: Counts = { readings: 0, others: 0, repeats: 0 }
  let lastNumber = 0
  return {
    open,
    add(make) {
      lastNumber += 1
      const message = make(lastNumber)
      open.set(lastNumber, message)
      return message
    },
    close() {
      for (const { isAcknowledged, isReading, transmissions } of open.values()) {
        if (!isAcknowledged) continue
        if (isReading) counts.readings += 1
        else counts.others += 1
        counts.repeats += transmissions - 1
      }
      open.clear()
    },
    get lastNumber() {
      return lastNumber
    },
    counts,
    faults: [],
  }
}

/** A message as a fault names it. */
export function nameOf({ number, publisher, qos, isReading, hasOwnTime, transmissions }: Message): string {
  const kind = isReading ? `reading ${hasOwnTime ? 'with' : 'without'} own time` : 'message'
  return `${kind} ${number} of ${publisher} at QoS ${qos}, sent ${transmissions} times`
}
