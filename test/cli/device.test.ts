import { describe, expect, it } from 'vitest'
import { addDevice, damselfly } from '../support/command.js'
import { connectRaw } from '../support/raw-client.js'
import { startServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const deviceIn = (folder: string) => {
  return (...argv: string[]) => damselfly(folder, ['device', ...argv])
}

/** What `device show` prints of a device that has never reported. */
const unreported = {
  id: expect.any(Number),
  device_status: expect.any(String),
  is_online: false,
  is_active: true,
  last_seen: null,
  last_heartbeat: null,
  ip_address: null,
  firmware_version: null,
  last_report_data: null,
  sensors: [],
}

describe('damselfly device', () => {
  it('adds, shows, lists, rotates and removes', async () => {
    const folder = await temporaryFolder()
    const device = deviceIn(folder)
    const added = await addDevice(folder)
    expect(added).toEqual({
      uuid: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      deviceId: expect.stringMatching(/^AIOT-ESP32-[0-9A-F]{8}$/),
      secret: expect.stringMatching(/^[0-9a-f]{32}$/),
    })
    const named = await device('add', '--uuid', 'my-uuid', '--device-id', 'A-1', '--name', '温室')
    expect(named).toMatchObject({ code: 0, stderr: '' })
    for (const line of [
      '#define MQTT_CLIENT_ID "my-uuid"',
      '#define MQTT_USER      "A-1"',
      '#define TOPIC_DATA     "devices/my-uuid/data"',
    ]) {
      expect(named.stdout.split('\n')).toContain(line)
    }

    const expected = { ...unreported, uuid: 'my-uuid', device_id: 'A-1', name: '温室' }
    for (const name of ['my-uuid', 'A-1']) {
      const shown = await device('show', name)
      expect(shown).toMatchObject({ code: 0, stderr: '' })
      expect(JSON.parse(shown.stdout)).toEqual(expected)
    }
    const listed = await device('list', '--json')
    const first = { ...unreported, uuid: added.uuid, device_id: added.deviceId, name: added.deviceId }
    expect(JSON.parse(listed.stdout)).toEqual([expected, first])
    expect(listed.stdout).not.toContain(added.secret)
    const lines = (await device('list')).stdout.split('\n')
    expect(lines[0]).toMatch(/^DEVICE_ID +UUID +STATE +LAST SEEN$/)
    expect(lines[1]).toMatch(/^A-1 +my-uuid +offline +never seen$/)

    const rotated = await device('rotate', 'my-uuid')
    expect(rotated.stdout).toMatch(/^device_id {2}A-1\nsecret {5}[0-9a-f]{32}\n$/)
    expect(named.stdout).not.toContain(/secret +(\S+)/.exec(rotated.stdout)?.[1])
    expect(await device('remove', 'A-1')).toMatchObject({ code: 0, stdout: expect.stringContaining('A-1') })
    expect(await device('show', 'A-1')).toMatchObject({ code: 1, stdout: '' })
  })

  it('works beside a running server, which takes a rotated secret at once', async () => {
    const server = await startServer()
    const device = await addDevice(server.folder)
    const logIn = async (secret: string) => {
      const login = { clientId: device.uuid, username: device.uuid, password: Buffer.from(secret) }
      return (await connectRaw(server.port('mqtt'), login)).connack.returnCode
    }
    expect(await logIn(device.secret)).toBe(0)
    const { stdout } = await deviceIn(server.folder)('rotate', device.uuid)
    expect(await logIn(/secret +(\S+)/.exec(stdout)?.[1] ?? '')).toBe(0)
    expect(await logIn(device.secret)).toBe(5)
  })

  it.each([
    ['nothing', [], /no action; expected add, list/],
    ['an action that is none', ['frobnicate'], /"frobnicate"; expected add, list/],
    ['a flag that is none', ['list', '--all'], /--all/],
    ['no device', ['show'], /show needs a uuid or a device_id/],
    ['one word too many', ['show', 'a', 'b'], /"b" is one word too many/],
    ['a uuid with a slash', ['add', '--uuid', 'a/b'], /--uuid "a\/b"; expected 1 to 36 characters/],
    ['a uuid that is too long', ['add', '--uuid', 'x'.repeat(37)], /expected 1 to 36 characters/],
    ['a wildcard as device_id', ['add', '--device-id', '#'], /--device-id "#"; expected 1 to 50/],
    ['a name that is too long', ['add', '--name', 'x'.repeat(101)], /longer than 100/],
  ])('called with %s exits with 2 and one line', async (_what, argv, line) => {
    const outcome = await deviceIn(await temporaryFolder())(...argv)
    expect(outcome).toMatchObject({ code: 2, stdout: '' })
    expect(outcome.stderr).toMatch(/^damselfly device: .+\n$/)
    expect(outcome.stderr).toMatch(line)
  })

  it('exits with 1 and one line for a device that is not there, or is there already', async () => {
    const device = deviceIn(await temporaryFolder())
    for (const action of ['show', 'rotate', 'remove']) {
      expect(await device(action, 'nobody')).toEqual({
        code: 1,
        stdout: '',
        stderr: 'damselfly device: the database has no device "nobody"\n',
      })
    }
    await device('add', '--device-id', 'A-1')
    const again = await device('add', '--device-id', 'A-1')
    expect(again).toMatchObject({ code: 1, stdout: '' })
    expect(again.stderr).toMatch(/^damselfly device: STORE_CONFLICT: .+\n$/)
  })

  it('exits with 1 and no password when the database is away or its address is wrong', async () => {
    for (const DATABASE_URL of ['mysql://user:hidden@127.0.0.1:1/name', 'mysql://user:hidden@/name']) {
      const outcome = await damselfly(await temporaryFolder(), ['device', 'list'], { DATABASE_URL })
      expect(outcome).toMatchObject({ code: 1, stdout: '' })
      expect(outcome.stderr).toMatch(/^damselfly( device)?: (STORE_UNAVAILABLE|CONFIG_VALUE): .+\n$/)
      expect(outcome.stderr).not.toContain('hidden')
    }
  })
})
