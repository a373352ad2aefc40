/** The publishes of one client, let go in the order of their arrival. */
export interface Turns {
  /** The place of a message that has just arrived. */
  take(): Turn
  /** Messages that have arrived and not been let go. */
  readonly length: number
}

/** One message's place. */
export interface Turn {
  /** Lets the message go, by calling `proceed`, as soon as all before it have gone. */
  end(proceed: () => void): void
}

/**
 * Acknowledgements leave in the order of the publishes [MQTT-4.6.0-2], and subscribers see a topic's
 * messages in order [MQTT-4.6.0-5], whichever of the messages was stored, dropped or denied first.
 */
export function createTurns(): Turns {
  const places: { proceed: (() => void) | undefined }[] = []

  const letGo = (): void => {
    while (places[0]?.proceed !== undefined) {
      const first = places.shift()
      first?.proceed?.()
    }
  }

  return {
    take() {
      const place: { proceed: (() => void) | undefined } = { proceed: undefined }
      places.push(place)
      return {
        end(proceed) {
          place.proceed = proceed
          letGo()
        },
      }
    },
    get length() {
      return places.length
    },
  }
}
