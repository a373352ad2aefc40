/** Lines of an `acl.conf` that let every client publish and receive below a level of its own; so many in all. */
export type Rules = (count: number) => readonly string[]

const ALLOWING = 'pattern readwrite bench/%c/#'

/** Of each ten rules one is the user's own and one is for everyone; eight are of other users. */
export function mixedRules(user: string): Rules {
  return (count) => {
    const part = Math.ceil(count / 10)
    const own = numbered(part, (index) => `topic readwrite own/${index}/+/data`)
    const patterns = numbered(part - 1, (index) => `pattern readwrite room/${index}/%u/#`)
    const others = numbered(count - 2 * part, (index) => `topic readwrite bench/+/other/${index}`)
    return [
      `user ${user}`,
      ...own,
      ...others.flatMap((rule, index) => [`user other-${index}`, rule]),
      ...patterns,
      ALLOWING,
    ]
  }
}

/** All are for everyone. */
export const generalRules: Rules = (count) => [
  ...numbered(count - 1, (index) => `pattern readwrite bench/${index}/%u/#`),
  ALLOWING,
]

function numbered(count: number, ruleOf: (index: number) => string): readonly string[] {
  return Array.from({ length: count }, (_, index) => ruleOf(index))
}
