import type { Scenario } from '../scenario.js'
import { badLine, down, frozen } from './availability.js'
import { databaseScenario } from './database.js'
import { full, killed, locked, readOnly, smallPacket } from './refusals.js'

/** Databases that go away, or are no good. */
export const databaseScenarios: readonly Scenario[] = [
  down,
  frozen,
  badLine,
  full,
  readOnly,
  killed,
  locked,
  smallPacket,
].map(databaseScenario)
