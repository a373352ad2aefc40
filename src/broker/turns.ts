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
  return new Line()
}

class Line implements Turns {
  readonly #places: Place[] = []

  get length(): number {
    return this.#places.length
  }

  take(): Turn {
    const place = new Place(this)
    this.#places.push(place)
    return place
  }

  letGo(): void {
    while (this.#places[0]?.proceed !== undefined) this.#places.shift()?.proceed?.()
  }
}

class Place implements Turn {
  readonly #line: Line
  proceed: (() => void) | undefined

  constructor(line: Line) {
    this.#line = line
  }

  end(proceed: () => void): void {
    this.proceed = proceed
    this.#line.letGo()
  }
}
