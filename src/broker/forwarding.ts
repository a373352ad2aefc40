import type { Logger } from '../log/logger.js'
import type { Publication } from './aedes-broker.js'
import type { Connection } from './connection.js'
import type { Inlet } from './inlet.js'

/** What of a connection its messages need. */
export interface Sender extends Pick<Connection, 'ending' | 'deliveries'> {
  readonly inlet: Pick<Inlet, 'hold'>
}

/** What a publish is forwarded by. */
export interface Forwarded {
  readonly publication: Publication
  /** What its `store` has returned, where that was called already. */
  readonly stored?: Promise<void>
  /** Whether its client waits for an acknowledgement. */
  readonly isAwaited: boolean
  /** Whether nobody could ask for the acknowledgement any more once the connection has ended. */
  readonly endsWithConnection: boolean
  /** Called when it was stored and delivered, in its turn; `false`: it was not, and is not to be acknowledged. */
  readonly settled: (isDone: boolean) => void
}

/** Stores and delivers publishes. */
export interface Forwarding {
  /** The messages of a sender are stored together and delivered in the order of the calls. */
  forward(sender: Sender, forwarded: Forwarded): void
  /** Resolves when nothing is on its way. */
  idle(): Promise<void>
  /** Tries no more: what was not stored by now is not acknowledged. */
  stop(): void
}

/** The disk is asked again after so long whether it takes a message. */
const RETRY_AFTER_MS = 1000

/**
 * A message that cannot be stored holds its client's reads, and is tried again. One that nobody waits for is
 * delivered to those who are here.
 */
export function createForwarding(log: Logger): Forwarding {
  const idleWaiters: (() => void)[] = []
  const retries = new Map<NodeJS.Timeout, () => void>()
  let open = 0
  let isStopped = false

  return {
    forward(sender, { publication, stored: begun, isAwaited, endsWithConnection, settled }) {
      const { inlet, ending, deliveries } = sender
      const place = deliveries.take()
      let isHeld = false
      open += 1
      const end = (isDone: boolean): void =>
        place.end(() => {
          if (isDone) publication.deliver()
          settled(isDone)
          if (isHeld) inlet.hold(false)
          open -= 1
          if (open === 0) for (const resolve of idleWaiters.splice(0)) resolve()
        })
      const giveUp = (): void => {
        publication.abandon()
        end(false)
      }
      const retry = (): void => {
        if (isStopped || (endsWithConnection && ending.hasEnded)) {
          giveUp()
          return
        }
        if (!isHeld) inlet.hold(true)
        isHeld = true
        const timer = setTimeout(() => {
          retries.delete(timer)
          attempt()
        }, RETRY_AFTER_MS)
        retries.set(timer, giveUp)
      }
      const failed = (error: unknown): void => {
        if (!isAwaited) end(true)
        else if (publication.isRepeatable) retry()
        else {
          log.error({ error: String(error) }, 'a message could not be published; its connection is closed')
          end(false)
        }
      }
      const attempt = (begun?: Promise<void>): void => {
        const stored = begun ?? publication.store()
        if (stored === undefined) end(true)
        else void stored.then(() => end(true), failed)
      }
      attempt(begun)
    },
    idle: () =>
      open === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            idleWaiters.push(resolve)
          }),
    stop() {
      isStopped = true
      for (const [timer, giveUp] of retries) {
        clearTimeout(timer)
        giveUp()
      }
      retries.clear()
    },
  }
}
