/** The part that we use of the tests which aedes-persistence has for every persistence, and no types. */

declare module 'aedes-persistence/abstract.js' {
  interface AbstractTests<Context> {
    /** Registers a test as that of `node:test` does. */
    readonly test: (name: string, run: (context: Context) => Promise<void>) => void
    /** Makes a persistence, each with nothing in it. */
    readonly persistence: () => Promise<object>
    /** Whether it has promises, and not callbacks. */
    readonly testAsync: true
  }

  function abstractTests<Context>(options: AbstractTests<Context>): void

  export = abstractTests
}
