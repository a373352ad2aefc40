/** One setting: how its text is read, and what is said of it wherever settings are listed. */
export interface Option<T> {
  /** Reads the text of the environment or the `.env` file; `undefined` when it is not a value of this option. */
  readonly read: (text: string) => T | undefined
  /** Completes "expected …" in an error, for example `1 to 60000`. */
  readonly expected: string
  /** In force when the variable is absent or empty. */
  readonly default: T
  /** The default as the tables show it, where it is not a constant. */
  readonly defaultText?: string
  /** The same in Chinese, where it holds words. */
  readonly defaultTextZh?: string
  /** One line for docs/settings.md and `.env.example`. */
  readonly description: string
  /** The same line in Chinese. */
  readonly descriptionZh: string
  /** Whether an error must keep the value to itself. Such a value can stand in a file, which `NAME_FILE` names. */
  readonly isSecret?: boolean
}

/** An option whose value is a whole number from `min` to `max`, both included. */
export interface IntegerOption extends Option<number> {
  readonly min: number
  readonly max: number
}

/** A TCP port, 0 for any free one, or `off` (no listener). */
export type Port = number | 'off'

type About = Pick<Option<unknown>, 'description' | 'descriptionZh' | 'defaultText' | 'defaultTextZh'>

/** A whole number from `min` to `max`, both included. */
export function integer(initial: number, min: number, max: number, about: About): IntegerOption {
  return {
    read: (text) => integerWithin(text, min, max),
    expected: `a whole number from ${min} to ${max}`,
    default: initial,
    min,
    max,
    ...about,
  }
}

/** A listener's port. */
export function port(initial: Port, about: About): Option<Port> {
  return {
    read: (text) => (text === 'off' ? 'off' : integerWithin(text, 0, 65_535)),
    expected: 'a port from 1 to 65535, 0 for any free one, or off',
    default: initial,
    ...about,
  }
}

/** One of a few words. */
export function choice<const W extends string, D extends W | undefined>(
  words: readonly W[],
  initial: D,
  about: About,
): Option<W | D> {
  return {
    read: (text) => words.find((word) => word === text),
    expected: words.join(' or '),
    default: initial,
    ...about,
  }
}

/** A switch: `true` or `false`, `on` or `off`. */
export function flag(initial: boolean, about: About): Option<boolean> {
  const words = new Map([
    ['true', true],
    ['on', true],
    ['1', true],
    ['false', false],
    ['off', false],
    ['0', false],
  ])
  return {
    read: (text) => words.get(text),
    expected: 'true or false (on or off)',
    default: initial,
    ...about,
  }
}

/** Any text that `accepts` takes; the default may be absent. */
export function text<D extends string | undefined>(
  initial: D,
  about: About & { isSecret?: boolean; expected?: string; accepts?: (text: string) => boolean },
): Option<string | D> {
  const { accepts = () => true, expected = 'text', ...rest } = about
  return { read: (value) => (accepts(value) ? value : undefined), expected, default: initial, ...rest }
}

/** Words with commas between them, each of which `accepts` takes; none where it is absent. */
export function list(
  expected: string,
  accepts: (word: string) => boolean,
  about: About,
): Option<readonly string[]> {
  const read = (value: string): readonly string[] | undefined => {
    const words = value.split(',').map((word) => word.trim())
    return words.every(accepts) ? words : undefined
  }
  return { read, expected, default: [], ...about }
}

/** An offset from UTC such as `+08:00`, in minutes east of Greenwich. */
export function zoneOffset(initial: string, about: About): Option<number> {
  const read = (value: string): number | undefined => {
    if (value === 'Z') return 0
    const match = /^([+-])(\d{2}):(\d{2})$/.exec(value)
    if (match === null) return undefined
    const minutes = Number(match[2]) * 60 + Number(match[3])
    if (Number(match[3]) > 59 || minutes > 14 * 60) return undefined
    return match[1] === '-' ? -minutes : minutes
  }
  return {
    read,
    expected: 'an offset from UTC from -14:00 to +14:00, such as +08:00',
    default: read(initial) ?? 0,
    defaultText: initial,
    ...about,
  }
}

function integerWithin(value: string, min: number, max: number): number | undefined {
  if (!/^\d{1,15}$/.test(value)) return undefined
  const number = Number(value)
  return number >= min && number <= max ? number : undefined
}
