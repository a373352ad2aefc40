import type { MqttClient } from 'mqtt'

/** A stream of publishes that are numbered from 1. */
export interface NumberedLoad {
  /** The highest number whose publish was acknowledged, and all below it: acknowledgements come in order. */
  readonly acknowledged: number
  /** Resolves when so many are. */
  reached(count: number): Promise<void>
  /** Publishes no more; resolves with the last number, when all are acknowledged. */
  stop(): Promise<number>
}

/** Where and how they are published. */
export interface NumberedLoadOptions {
  readonly topic: string
  readonly qos: 1 | 2
  /** Publishes that wait for their acknowledgement at one time. */
  readonly window: number
  /** Publishes a second at the most; absent: as many as get through. */
  readonly perSecond?: number
}

/** Publishes as fast as acknowledgements come, with the number as payload. */
export function startNumberedLoad(client: MqttClient, options: NumberedLoadOptions): NumberedLoad {
  const { topic, qos, window, perSecond = Number.POSITIVE_INFINITY } = options
  const beganMs = performance.now()
  const waiting = new Map<number, (() => void)[]>()
  let sent = 0
  let acknowledged = 0
  let isStopped = false
  let failure: Error | undefined

  const pump = (): void => {
    const due = ((performance.now() - beganMs) / 1000) * perSecond
    while (!isStopped && sent - acknowledged < window && sent < due) {
      sent += 1
      const number = sent
      client.publish(topic, String(number), { qos }, (error) => {
        if (error != null) {
          failure = error
          return
        }
        acknowledged += 1
        for (const resolve of waiting.get(acknowledged) ?? []) resolve()
        waiting.delete(acknowledged)
        pump()
      })
    }
  }
  // With a rate there may be nothing to wait for.
  const timer = setInterval(pump, 5)
  pump()

  const reached = (count: number): Promise<void> => {
    if (failure !== undefined) return Promise.reject(failure)
    if (acknowledged >= count) return Promise.resolve()
    return new Promise((resolve) => {
      waiting.set(count, [...(waiting.get(count) ?? []), resolve])
    })
  }
  return {
    get acknowledged() {
      return acknowledged
    },
    reached,
    async stop() {
      isStopped = true
      clearInterval(timer)
      await reached(sent)
      return sent
    },
  }
}

/** What a client receives of such a stream. */
export interface NumberedReceipt {
  readonly numbers: readonly number[]
  /** Resolves when the number has come. */
  received(number: number): Promise<void>
}

/** Notes what comes on a topic from now on. */
export function noteNumbers(client: MqttClient, topic: string): NumberedReceipt {
  const numbers: number[] = []
  const seen = new Set<number>()
  const watchers = new Set<() => void>()
  client.on('message', (from, payload) => {
    if (from !== topic) return
    numbers.push(Number(payload.toString()))
    seen.add(Number(payload.toString()))
    for (const watch of [...watchers]) watch()
  })
  return {
    numbers,
    received: (number) =>
      new Promise((resolve) => {
        const watch = (): void => {
          if (!seen.has(number)) return
          watchers.delete(watch)
          resolve()
        }
        watchers.add(watch)
        watch()
      }),
  }
}

/** All numbers up to the last. */
export function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, index) => index + 1)
}
