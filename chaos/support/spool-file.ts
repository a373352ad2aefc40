import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'

/** How many messages wait in the spool of the server in `folder`. */
export async function spooledMessages(folder: string): Promise<number> {
  const client = createClient({ url: pathToFileURL(join(folder, 'data', 'spool.db')).href, timeout: 5000 })
  try {
    const { rows } = await client.execute('SELECT COALESCE(SUM(messages), 0) AS messages FROM spooled')
    return Number(rows[0]?.['messages'])
  } finally {
    client.close()
  }
}
