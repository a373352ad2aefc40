import { createRandom, type Random } from '../../test/support/random.js'

/** Random numbers of their own for one of several who draw at the same time, in an order that is not certain. */
export function fork(random: Random): Random {
  return createRandom(random.below(0x7fff_ffff) + 1)
}

/** A whole number from `least` up to and with `most`. */
export function between(random: Random, least: number, most: number): number {
  return least + random.below(most - least + 1)
}
