/** Something that happens once, and may be waited for. */
export interface Signal {
  readonly given: Promise<void>
  give(): void
}

/** A signal not given yet. */
export function createSignal(): Signal {
  let give = (): void => undefined
  const given = new Promise<void>((resolve) => {
    give = resolve
  })
  return { given, give }
}
