import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { damselfly } from '../support/command.js'
import { type Server, startServer } from '../support/server.js'
import { connectTo, messages } from '../support/server-clients.js'

/** A program of docs/esp32.md, as far as it concerns the server. */
interface Program {
  readonly name: string
  /** The text of each macro, with those before it put in. */
  readonly macros: Readonly<Record<string, string>>
  /** What is printed into the payload, by the topic that it is then published to. */
  readonly payloads: readonly (readonly [topic: string, format: string])[]
  readonly bufferBytes: number
}

const text = await readFile(new URL('../../docs/esp32.md', import.meta.url), 'utf8')
const programs = ['cpp', 'c'].map(readProgram)

function readProgram(language: string): Program {
  const source = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(text)?.[1] ?? ''
  const macros: Record<string, string> = {}
  for (const [, name = '', value = ''] of source.matchAll(/^#define (\w+) +((?:"[^"]*"|[A-Z_]+| )+)/gm)) {
    const parts = value.match(/"[^"]*"|[A-Z_]+/g) ?? []
    macros[name] = parts.map((part) => (part.startsWith('"') ? part.slice(1, -1) : macros[part])).join('')
  }
  const printed =
    /snprintf\(payload, sizeof payload,\s*("(?:[^"\\]|\\.)*")[^;]*;[^;]*?\b(TOPIC_\w+), payload/g
  const payloads = [...source.matchAll(printed)].map(([, format = '""', topic = '']) => {
    return [macros[topic] ?? '', String(JSON.parse(format))] as const // the escapes in them are JSON's too
  })
  const bufferBytes = Number(/(?:setBufferSize\(|buffer\.size = )(\d+)/.exec(source)?.[1])
  return { name: language, macros, payloads, bufferBytes }
}

/** The text that printf makes, of values that such a device has. */
function print(format: string): string {
  const values = new Map([
    ['%.1f', '24.4'],
    ['%lu', '1234'],
    ['%s', '192.168.1.7'],
  ])
  return format.replaceAll(/%[^a-z]*[a-z]+/g, (specifier) => values.get(specifier) ?? `?${specifier}`)
}

async function startWithDevice(program: Program) {
  const server = await startServer()
  const uuid = program.macros['MQTT_CLIENT_ID'] ?? ''
  const deviceId = program.macros['MQTT_USER'] ?? ''
  const words = ['device', 'add', '--uuid', uuid, '--device-id', deviceId]
  const { code, stdout } = await damselfly(server.folder, words)
  expect(code).toBe(0)
  const secret = /^secret +(\S+)$/m.exec(stdout)?.[1] ?? ''
  const device = await connectTo(server, { clientId: uuid, username: deviceId, password: secret })
  return { server, device, deviceId, added: stdout }
}

async function shown(server: Server, deviceId: string): Promise<unknown> {
  const { stdout } = await damselfly(server.folder, ['device', 'show', deviceId])
  return JSON.parse(stdout)
}

describe.each(programs)('The program in $name of docs/esp32.md', (program) => {
  it('sends what is stored: readings, status and heartbeat', async () => {
    const { server, device, deviceId } = await startWithDevice(program)
    expect(program.payloads.map(([topic]) => topic.split('/')[2])).toEqual(['data', 'status', 'heartbeat'])
    for (const [topic, format] of program.payloads)
      await device.publishAsync(topic, print(format), { qos: 1 })
    const ip = program.name === 'cpp' ? '192.168.1.7' : null
    expect(await shown(server, deviceId)).toMatchObject({
      sensors: [
        { sensor_name: 'humidity', sensor_value: '24.4', sensor_type: 'DHT11' },
        { sensor_name: 'temperature', sensor_value: '24.4', sensor_type: 'DHT11' },
      ],
      is_online: true,
      last_heartbeat: expect.any(String),
      firmware_version: '1.0.0',
      ip_address: ip,
      last_report_data: { status: { uptime: 1234, free_heap: 1234, wifi_connected: true } },
    })
    // A date of today, not of 1970: the uptime is none.
    expect(JSON.stringify(await shown(server, deviceId))).toMatch(/"timestamp":"20\d\d-/)
  })

  it('receives a command of 1,023 bytes in its buffer', async () => {
    const { server, device } = await startWithDevice(program)
    const topic = program.macros['TOPIC_CONTROL'] ?? ''
    const [granted] = await device.subscribeAsync(topic, { qos: 1 })
    expect(granted?.qos).toBe(1)
    const received = messages(device, 1)
    const command = JSON.stringify({ text: 'x'.repeat(1012) })
    expect(command).toHaveLength(1023)
    const backend = await connectTo(server)
    await backend.publishAsync(topic, command, { qos: 1 })
    expect(await received).toEqual([command])
    // A fixed header of 5 bytes at the most, the topic with its length, the packet identifier.
    expect(program.bufferBytes).toBeGreaterThanOrEqual(5 + 2 + topic.length + 2 + command.length)
  })

  it('has the names that `damselfly device add` prints', async () => {
    const server = await startServer()
    const { stdout } = await damselfly(server.folder, ['device', 'add'])
    const printed = [...stdout.matchAll(/^#define (\w+)/gm)].map(([, name]) => name)
    expect(printed.length).toBeGreaterThan(4)
    expect(Object.keys(program.macros)).toEqual(expect.arrayContaining(printed))
  })

  it('sends messages that are taken when a read has failed', async () => {
    const { server, device, deviceId } = await startWithDevice(program)
    const [[topic, format] = ['', '']] = program.payloads
    await device.publishAsync(topic, format.replace('%.1f', 'nan').replaceAll(/%\S*?[fu]/g, '39'), { qos: 1 })
    expect(await shown(server, deviceId)).toMatchObject({ sensors: [{ sensor_name: 'humidity' }] })
  })
})
