import { onTestFinished } from 'vitest'
import { type RedisOptions, type RunningRedis, spawnRedis } from './redis-process.js'
import { temporaryFolder } from './temporary-folder.js'

export type { RunningRedis } from './redis-process.js'

/** Starts a private Redis until the running test is over, in a new folder or where one was before. */
export async function startRedis(
  options: RedisOptions & { readonly folder?: string } = {},
): Promise<RunningRedis> {
  return spawnRedis(options.folder ?? (await temporaryFolder()), options, onTestFinished)
}
