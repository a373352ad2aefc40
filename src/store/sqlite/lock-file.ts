import { closeSync, openSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client/sqlite3'
import { StoreError } from '../store-error.js'
import { isBusy } from './sqlite-error.js'

/**
 * Has a file beside the one at `path` locked until this process or thread ends, however it ends, or the returned
 * function is called. A lock on the file itself would keep out who only reads it, for a backup.
 *
 * @throws StoreError STORE_UNAVAILABLE while another one has it.
 */
export async function lockFile(path: string): Promise<() => void> {
  const file = `${path}.lock`
  closeSync(openSync(file, 'a', 0o600))
  const client = createClient({ url: pathToFileURL(file).href, concurrency: 1, timeout: 0 })
  try {
    const transaction = await client.transaction('write')
    return () => {
      transaction.close() // it has a connection of its own
      client.close()
    }
  } catch (error) {
    client.close()
    if (!isBusy(error)) throw error
    throw new StoreError(
      'STORE_UNAVAILABLE',
      `${path} is in use by another server; end that one, or give this one a DATA_DIR of its own`,
    )
  }
}
