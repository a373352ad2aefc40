import { randomBytes, randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { databaseAddress } from '../config/database.js'
import type { Device, DeviceReport } from '../store/device.js'
import { openStore } from '../store/open-store.js'
import type { Store } from '../store/store.js'
import { StoreError } from '../store/store-error.js'
import type { CliContext } from './cli-context.js'
import { CommandError, runCommand } from './run-command.js'

const HELP = `Usage: damselfly device add [--device-id ID] [--uuid UUID] [--name NAME]
       damselfly device list [--json]
       damselfly device show DEVICE
       damselfly device rotate DEVICE     give it a new secret, and print it
       damselfly device remove DEVICE     with its sensors and its history

DEVICE is a uuid or a device_id. add makes up what it is not given, and prints the secret and the lines to
paste into a sketch. show, and list with --json, print JSON. A running server ends the connection of a device
that is rotated or removed within 15 seconds.
`

const FLAGS = {
  'device-id': { type: 'string' },
  uuid: { type: 'string' },
  name: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

/** What the columns hold, and what can stand in a topic. */
const DEVICE_ID = /^[^\s/+#\p{Cc}]{1,50}$/u
const UUID = /^[^\s/+#\p{Cc}]{1,36}$/u

type Words = ReturnType<typeof parse>

/**
 * `damselfly device`, which edits the devices in the database.
 *
 * @param argv what follows `device` on the command line
 * @returns the exit code: 0; 1 when it could not be done; 2 when called wrongly
 */
export function deviceCommand(argv: readonly string[], context: CliContext): Promise<number> {
  return runCommand(context, 'device', async () => {
    const words = parse(argv)
    if (words.values.help === true) {
      context.stdout.write(HELP)
      return
    }
    const run = chooseAction(words)
    try {
      const store = await openStore(databaseAddress(context.settings), {
        zoneOffsetMinutes: context.settings.DB_TIME_ZONE,
      })
      try {
        context.stdout.write(await run(store))
      } finally {
        await store.close()
      }
    } catch (error) {
      throw error instanceof StoreError ? CommandError.failed(error.message) : error
    }
  })
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: FLAGS, allowPositionals: true, strict: true })
  } catch (error) {
    throw CommandError.usage(error instanceof Error ? error.message : String(error))
  }
}

function chooseAction({ positionals, values }: Words): (store: Store) => Promise<string> {
  const [action, name, extra] = positionals
  if (extra !== undefined) throw CommandError.usage(`${JSON.stringify(extra)} is one word too many`)
  if (action === 'add' && name === undefined) return (store) => add(store, values)
  if (action === 'list' && name === undefined) return (store) => list(store, values.json === true)
  const actions = new Map([
    ['show', show],
    ['rotate', rotate],
    ['remove', remove],
  ])
  const found = actions.get(action ?? '')
  if (found === undefined) {
    const seen =
      action === undefined ? 'no action' : `cannot make sense of ${JSON.stringify(positionals.join(' '))}`
    throw CommandError.usage(
      `${seen}; expected add, list, show DEVICE, rotate DEVICE or remove DEVICE (--help says more)`,
    )
  }
  if (name === undefined) throw CommandError.usage(`${action} needs a uuid or a device_id`)
  return async (store) => found(store, await findDevice(store, name))
}

async function findDevice(store: Store, name: string): Promise<Device> {
  const device = await store.findDevice(name)
  if (device === undefined) throw CommandError.failed(`the database has no device ${JSON.stringify(name)}`)
  return device
}

async function add(store: Store, values: Words['values']): Promise<string> {
  const uuid = values.uuid ?? randomUUID()
  const deviceId = values['device-id'] ?? `AIOT-ESP32-${randomBytes(4).toString('hex').toUpperCase()}`
  const name = values.name ?? deviceId
  const secret = newSecret()
  if (!UUID.test(uuid))
    throw CommandError.usage(`--uuid ${JSON.stringify(uuid)}; expected ${expectedName(36)}`)
  if (!DEVICE_ID.test(deviceId)) {
    throw CommandError.usage(`--device-id ${JSON.stringify(deviceId)}; expected ${expectedName(50)}`)
  }
  if (name.length > 100) throw CommandError.usage('--name is longer than 100 characters')
  const device = await store.addDevice({ uuid, deviceId, name, secret })
  return [
    `uuid       ${device.uuid}`,
    `device_id  ${device.deviceId}`,
    `secret     ${secret}`,
    '',
    'For a sketch:',
    '',
    `#define MQTT_CLIENT_ID "${device.uuid}"`,
    `#define MQTT_USER      "${device.deviceId}"`,
    `#define MQTT_PASSWORD  "${secret}"`,
    `#define TOPIC_DATA     "devices/${device.uuid}/data"`,
    `#define TOPIC_CONTROL  "devices/${device.uuid}/control"`,
    '',
  ].join('\n')
}

async function list(store: Store, isJson: boolean): Promise<string> {
  const reports = await store.reportDevices()
  if (isJson) return toJson(reports)
  const rows = reports.map((report) => [
    report.device_id,
    report.uuid,
    report.is_online ? 'online' : 'offline',
    report.is_active ? '' : 'disabled',
    report.last_seen ?? 'never seen',
  ])
  return table([['DEVICE_ID', 'UUID', 'STATE', '', 'LAST SEEN'], ...rows])
}

async function show(store: Store, device: Device): Promise<string> {
  const report: DeviceReport | undefined = await store.reportDevice(device.id)
  if (report === undefined) throw CommandError.failed(`${device.deviceId} was removed meanwhile`)
  return toJson(report)
}

async function rotate(store: Store, device: Device): Promise<string> {
  const secret = newSecret()
  if (!(await store.setSecret(device.id, secret)))
    throw CommandError.failed(`${device.deviceId} was removed meanwhile`)
  return `device_id  ${device.deviceId}\nsecret     ${secret}\n`
}

async function remove(store: Store, device: Device): Promise<string> {
  await store.removeDevice(device.id)
  return `removed ${device.deviceId} (${device.uuid}), its sensors and its history\n`
}

/** 32 hexadecimal digits, as the platform makes them. */
function newSecret(): string {
  return randomBytes(16).toString('hex')
}

function expectedName(length: number): string {
  return `1 to ${length} characters without blanks, /, + and #`
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

function table(rows: readonly (readonly string[])[]): string {
  const widths =
    rows[0]?.map((_cell, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}
