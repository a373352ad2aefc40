import type { Scenario } from '../scenario.js'
import { down, frozen, line } from './availability.js'
import { databaseScenario } from './database.js'
import { full, killed, locked, readOnly, smallPacket } from './refusals.js'

/** Databases that go away, or are no good. */
export const databaseScenarios: readonly Scenario[] = [
  down,
  frozen,
  line,
  full,
  readOnly,
  killed,
  locked,
  smallPacket,
].map(databaseScenario)
