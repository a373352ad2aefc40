import { existsSync, readdirSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from './temporary-folder.js'

/** The system's clock as one process sees it, which can be set while that runs; it goes on from there. */
export interface SettableClock {
  /** What the process is to be started with. */
  readonly environment: Readonly<Record<string, string>>
  /** Sets it so many seconds ahead of the true time; less than 0: behind. */
  setAhead(seconds: number): Promise<void>
}

/** Made by libfaketime, which leaves the monotonic clock alone. */
export async function settableClock(aheadSeconds = 0): Promise<SettableClock> {
  const file = join(await temporaryFolder(), 'clock')
  const setAhead = async (seconds: number): Promise<void> => {
    await writeFile(`${file}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`)
    await rename(`${file}.new`, file)
  }
  await setAhead(aheadSeconds)
  return {
    environment: {
      LD_PRELOAD: findLibrary(),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    },
    setAhead,
  }
}

/** Debian has it in a folder of the machine's kind. */
function findLibrary(): string {
  const folders = readdirSync('/usr/lib').map((name) => join('/usr/lib', name, 'faketime'))
  const paths = folders.map((folder) => join(folder, 'libfaketimeMT.so.1'))
  const path = paths.find((one) => existsSync(one))
  if (path === undefined) throw new Error('libfaketime is not installed: apt-get install faketime')
  return path
}
