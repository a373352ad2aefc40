import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { spawnServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

/** How the process ends that is started with this environment, and all that it says. */
async function start(environment: Readonly<Record<string, string>>, folder?: string) {
  const server = await spawnServer(environment, folder)
  const ended = await server.ended
  return { ended, text: server.text(), log: server.log }
}

describe('the process', () => {
  it('ends with 1 and one line when a setting is wrong', async () => {
    expect(await start({ MQTT_PORT: '70000' })).toEqual({
      ended: 1,
      text: `damselfly: CONFIG_VALUE: MQTT_PORT = "70000" (environment); expected a port from 1 to 65535, 0 for any free one, or off`,
      log: [],
    })
  })

  it('reads .env in its working directory', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, '.env'), 'INGEST_BATCH=0\n')
    expect(await start({}, folder)).toEqual({
      ended: 1,
      text: 'damselfly: CONFIG_VALUE: INGEST_BATCH = "0" (.env); expected a whole number from 1 to 10000',
      log: [],
    })
  })

  it.each([
    ['CONFIG_VALUE', { DATABASE_URL: 'mysql://ann:hunter2@' }],
    ['CONFIG_CONFLICT', { DATABASE_URL: 'mysql://ann:hunter2@db/x', DB_HOST: 'db' }],
    ['CONFIG_CONFLICT', { DB_PASSWORD: 'hunter2' }],
    ['CONFIG_VALUE', { REDIS_URL: 'http://:hunter2@host' }],
    ['CONFIG_CONFLICT', { MQTT_USERNAME: '', MQTT_PASSWORD: 'hunter2' }],
  ])('says %s in one line, and no password', async (code, environment) => {
    const { ended, text, log } = await start(environment)
    expect(ended).toBe(1)
    expect(text).toMatch(new RegExp(`^damselfly: ${code}: .+$`))
    expect(text + JSON.stringify(log)).not.toContain('hunter2')
  })
})
