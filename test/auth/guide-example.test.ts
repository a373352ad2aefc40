import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type AddedDevice, addDevice } from '../support/command.js'
import { startMosquitto } from '../support/mosquitto.js'
import { type MosquittoClient, startMosquittoClient } from '../support/mosquitto-client.js'
import { run } from '../support/run.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

/** The example of the platform's guide, to the letter. */
const ACL = `
user aisa_server
topic readwrite #

user aisa_rpi
topic read device/control
topic write device/+/data
topic write device/+/status
topic read langchain/process/+
topic write langchain/response/+
`

/** What each client may do with each topic: be sent it (r), have it published (w). */
const TABLE = `
  topic                                aisa_server  aisa_rpi  anonymous  device
  devices/{uuid}/data                  rw           --        --         -w
  devices/{uuid}/status                rw           --        --         -w
  devices/{uuid}/heartbeat             rw           --        --         -w
  devices/{uuid}/control               rw           --        --         r-
  devices/{other_uuid}/data            rw           --        --         --
  devices/{other_uuid}/status          rw           --        --         --
  devices/{other_uuid}/heartbeat       rw           --        --         --
  devices/{other_uuid}/control         rw           --        --         --
  device/{device_id}/data              rw           -w        --         -w
  device/{device_id}/status            rw           -w        --         -w
  device/{device_id}/control           rw           --        --         r-
  device/{other_device_id}/data        rw           -w        --         --
  device/{other_device_id}/status      rw           -w        --         --
  device/{other_device_id}/control     rw           --        --         --
  device/control                       rw           r-        --         r-
  langchain/process/{device_id}        rw           r-        --         r-
  langchain/process/{other_device_id}  rw           r-        --         --
  langchain/response/{device_id}       rw           -w        --         -w
  langchain/response/{other_device_id} rw           -w        --         --
  system/server/status                 rw           --        --         --
  system/alerts/{device_id}            rw           --        --         -w
  system/alerts/{other_device_id}      rw           --        --         --
  $SYS/broker/uptime                   --           --        --         --
`

type ClientName = 'aisa_server' | 'aisa_rpi' | 'anonymous' | 'device'

const PASSWORDS = { aisa_server: 'the backend', aisa_rpi: 'a raspberry' } as const

/** A topic, as it is written in the table and as it is here, and who may do what with it. */
type Row = Readonly<Record<'form' | 'topic' | ClientName, string>>

type Names = Pick<AddedDevice, 'uuid' | 'deviceId'>

function readTable(device: Names, other: Names): readonly Row[] {
  const [, ...rows] = TABLE.trim().split('\n')
  return rows.map((row) => {
    const [form = '', server = '', rpi = '', anonymous = '', own = ''] = row.trim().split(/ +/)
    const topic = form
      .replace('{uuid}', device.uuid)
      .replace('{device_id}', device.deviceId)
      .replace('{other_uuid}', other.uuid)
      .replace('{other_device_id}', other.deviceId)
    return { form, topic, aisa_server: server, aisa_rpi: rpi, anonymous, device: own }
  })
}

const allowed = (rows: readonly Row[], client: ClientName, what: 'r' | 'w'): readonly string[] =>
  rows.filter((row) => row[client].includes(what)).map(({ topic }) => topic)

/** A broker with the guide's files, and how its clients log in there. */
interface Place {
  readonly port: number
  readonly rows: readonly Row[]
  readonly logins: Readonly<Partial<Record<ClientName, readonly string[]>>>
  /** The login of one who is sent everything that the table has. */
  readonly observer: readonly string[]
}

const login = (user: string, password: string): readonly string[] => ['-u', user, '-P', password]

const guideLogins = {
  aisa_server: login('aisa_server', PASSWORDS.aisa_server),
  aisa_rpi: login('aisa_rpi', PASSWORDS.aisa_rpi),
  anonymous: [],
} as const

const WRONG_PASSWORD = login('aisa_server', PASSWORDS.aisa_rpi)

async function writeGuideFiles(folder: string): Promise<{ readonly passwd: string; readonly acl: string }> {
  const [passwd, acl] = [join(folder, 'passwd'), join(folder, 'acl.conf')]
  await mkdir(folder, { recursive: true })
  await writeFile(acl, ACL)
  await writeFile(passwd, '')
  for (const [user, password] of Object.entries(PASSWORDS)) {
    const { code, stderr } = await run('mosquitto_passwd', ['-b', passwd, user, password])
    if (code !== 0) throw new Error(`mosquitto_passwd: ${code} ${stderr}`)
  }
  return { passwd, acl }
}

async function startGuideServer(allowsAnonymous: boolean): Promise<Server> {
  const folder = await temporaryFolder()
  await writeGuideFiles(join(folder, 'config'))
  return startServer({ ALLOW_ANONYMOUS: String(allowsAnonymous) }, folder)
}

async function onDamselfly(): Promise<Place & { readonly server: Server }> {
  const server = await startGuideServer(true)
  const [device, other] = await Promise.all([addDevice(server.folder), addDevice(server.folder)])
  return {
    server,
    port: server.port('mqtt'),
    rows: readTable(device, other),
    logins: { ...guideLogins, device: login(device.deviceId, device.secret) },
    observer: login(ADMINISTRATOR.username, ADMINISTRATOR.password),
  }
}

/** The devices are no users there, so their column is Damselfly's alone. */
async function onMosquitto(): Promise<Place> {
  const { passwd, acl } = await writeGuideFiles(await temporaryFolder())
  const options = { allow_anonymous: 'true', password_file: passwd, acl_file: acl }
  const [device, other] = ['1', '2'].map((digit) => ({
    uuid: `u${digit}`,
    deviceId: `d${digit}`,
    secret: '',
  }))
  if (device === undefined || other === undefined) throw new Error('two devices')
  const { port } = await startMosquitto(options)
  return { port, rows: readTable(device, other), logins: guideLogins, observer: guideLogins.aisa_server }
}

/** Resolves when the broker has answered, which it does to a denied message as well. */
async function publish(port: number, ...args: readonly string[]): Promise<void> {
  const { code, stderr } = await run('mosquitto_pub', [
    '-h',
    '127.0.0.1',
    '-p',
    `${port}`,
    '-q',
    '1',
    ...args,
  ])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
}

const filters = (topics: readonly string[]): readonly string[] => topics.flatMap((topic) => ['-t', topic])

/** Prints `RETAIN TOPIC PAYLOAD` of what it is sent, and the codes of its SUBACK. */
const subscribe = (port: number, as: readonly string[], topics: readonly string[]): MosquittoClient =>
  startMosquittoClient('mosquitto_sub', port, ['-d', '-q', '1', '-F', '%r %t %p', ...as, ...filters(topics)])

/** The codes of its SUBACK, by which it is known to be subscribed. */
async function granted(subscriber: MosquittoClient): Promise<readonly number[]> {
  const line = await subscriber.line(/^Subscribed \(mid: 1\)/)
  return line.replace(/.*: /, '').split(', ').map(Number)
}

/** A subscriber to everything, in force. */
async function observe({ port, observer }: Place): Promise<MosquittoClient> {
  const subscriber = subscribe(port, observer, ['#', '$SYS/#'])
  await granted(subscriber)
  return subscriber
}

/** The numbers of whom has been published on which topic, once all is. */
async function publishedTopics(place: Place, observer: MosquittoClient): Promise<ReadonlySet<string>> {
  await publish(place.port, ...guideLogins.aisa_server, '-t', 'the/end', '-m', 'end')
  await observer.line(/^0 the\/end end$/)
  return new Set(observer.lines.flatMap((line) => /^0 (\S+ \{.*\})$/.exec(line)?.[1] ?? []))
}

async function expectPublishesOfTheTable(place: Place): Promise<void> {
  const observer = await observe(place)
  const clients = clientsOf(place)
  await Promise.all(
    clients.map(async ({ as }, number) => {
      for (const { topic } of place.rows) {
        await publish(place.port, ...as, '-t', topic, '-m', `{"temperature":${number}}`)
      }
    }),
  )
  const seen = await publishedTopics(place, observer)
  for (const [number, { name }] of clients.entries()) {
    const published = place.rows.filter(({ topic }) => seen.has(`${topic} {"temperature":${number}}`))
    expect([name, ...published.map(({ topic }) => topic)]).toEqual([name, ...allowed(place.rows, name, 'w')])
  }
}

function clientsOf({
  logins,
}: Place): readonly { readonly name: ClientName; readonly as: readonly string[] }[] {
  const names = ['aisa_server', 'aisa_rpi', 'anonymous', 'device'] as const
  return names.flatMap((name) => {
    const as = logins[name]
    return as === undefined ? [] : [{ name, as }]
  })
}

const NOT_AUTHORIZED = 5

const MARKER = 'device/control'

/** Publishes on every topic, retained ones before there are subscribers, and says what those are sent. */
async function sentTopics(
  { port, rows, logins }: Place,
  names: readonly ClientName[],
): Promise<ReadonlyMap<string, { readonly codes: readonly number[]; readonly sent: readonly string[] }>> {
  const topics = rows.map(({ topic }) => topic)
  const publishAll = (...args: readonly string[]): Promise<unknown> =>
    Promise.all(
      allowed(rows, 'aisa_server', 'w').map((topic) =>
        publish(port, ...guideLogins.aisa_server, '-t', topic, '-m', '{"temperature":20}', ...args),
      ),
    )
  await publishAll('-r')
  const subscribers = names.flatMap((name) =>
    [topics, ['#', '$SYS/#']].map((wanted) => ({
      what: `${name} ${wanted === topics ? 'by name' : 'by wildcard'}`,
      subscriber: subscribe(port, logins[name] ?? [], wanted),
    })),
  )
  await Promise.all(subscribers.map(({ subscriber }) => granted(subscriber)))
  await publishAll()
  await publish(port, ...guideLogins.aisa_server, '-t', MARKER, '-m', 'end')
  const found = subscribers.map(async ({ what, subscriber }) => {
    await subscriber.line(new RegExp(`^0 ${MARKER} end$`))
    const sent = subscriber.lines.flatMap((line) => /^([01] \S+) \{/.exec(line)?.[1] ?? [])
    return [what, { codes: await granted(subscriber), sent: [...new Set(sent)].sort() }] as const
  })
  return new Map(await Promise.all(found))
}

/** Retained and not. */
const bothOf = (topics: readonly string[]): readonly string[] =>
  topics.flatMap((topic) => [`0 ${topic}`, `1 ${topic}`]).sort()

const DENIED = 'a publish was denied'

/** Who leaves a will on which topic of the table. */
const WILLS = [
  ['aisa_server', 'system/server/status'],
  ['aisa_server', '$SYS/broker/uptime'],
  ['aisa_rpi', 'device/{other_device_id}/data'],
  ['aisa_rpi', 'devices/{uuid}/data'],
  ['anonymous', 'device/control'],
  ['device', 'devices/{uuid}/data'],
  ['device', 'devices/{other_uuid}/data'],
] as const

/** Both programs end with the code of the CONNACK that refused them. */
async function expectNoLogin(port: number, as: readonly string[], topics = ['a']): Promise<void> {
  const to = ['-h', '127.0.0.1', '-p', `${port}`, ...as]
  const ends = await Promise.all([
    run('mosquitto_pub', [...to, '-t', 'device/control', '-m', 'x']),
    run('mosquitto_sub', [...to, ...filters(topics)]),
  ])
  expect(ends.map(({ code }) => code)).toEqual([NOT_AUTHORIZED, NOT_AUTHORIZED])
}

describe("With the files of the platform's guide", () => {
  it('[MQTT-3.3.5-2] Damselfly publishes what the table says, and denies the rest', async () => {
    const place = await onDamselfly()
    await expectNoLogin(place.port, WRONG_PASSWORD)
    await expectPublishesOfTheTable(place)
  })

  it('[MQTT-3.3.5-2] and Mosquitto does', async () => {
    const place = await onMosquitto()
    await expectNoLogin(place.port, WRONG_PASSWORD)
    await expectPublishesOfTheTable(place)
  })

  it('[MQTT-3.9.3-3] Damselfly grants and sends what the table says, retained or not, and refuses the rest', async () => {
    const place = await onDamselfly()
    const names = ['aisa_server', 'aisa_rpi', 'device'] as const
    const results = await sentTopics(place, names)
    for (const name of names) {
      const readable = allowed(place.rows, name, 'r')
      const codes = place.rows.map(({ topic }) => (readable.includes(topic) ? 1 : 128))
      expect([name, results.get(`${name} by name`)]).toEqual([name, { codes, sent: bothOf(readable) }])
      expect([name, results.get(`${name} by wildcard`)]).toEqual([
        name,
        { codes: [1, 128], sent: bothOf(readable) },
      ])
    }
    const anonymous = subscribe(place.port, [], [...place.rows.map(({ topic }) => topic), '#', '$SYS/#'])
    await anonymous.ended
    expect(anonymous.lines).toContain('All subscription requests were denied.')
    expect(await granted(anonymous)).toEqual([...place.rows, '#', '$SYS/#'].map(() => 128))
  })

  it('and Mosquitto sends the same, though it grants everything', async () => {
    const place = await onMosquitto()
    const names = ['aisa_server', 'aisa_rpi'] as const
    const results = await sentTopics(place, names)
    for (const name of names) {
      const sent = bothOf(allowed(place.rows, name, 'r'))
      const codes = place.rows.map(() => 1)
      expect([name, results.get(`${name} by name`)]).toEqual([name, { codes, sent }])
      expect([name, results.get(`${name} by wildcard`)]).toEqual([name, { codes: [1, 1], sent }])
    }
  })

  it('[MQTT-3.1.2-8] the will of a client is published where its client may publish, and nowhere else', async () => {
    const place = await onDamselfly()
    const observer = await observe(place)
    const wills = WILLS.map(([name, form], number) => {
      const row = place.rows.find((one) => one.form === form)
      if (row === undefined) throw new Error(form)
      const payload = `{"temperature":${number}}`
      return { topic: row.topic, payload, as: place.logins[name] ?? [], isAllowed: row[name].includes('w') }
    })
    const clients = wills.map(({ as, topic, payload }) => {
      const will = ['--will-topic', topic, '--will-payload', payload, '--will-qos', '1']
      return startMosquittoClient('mosquitto_pub', place.port, ['-d', '-l', '-t', 'a', ...as, ...will])
    })
    await Promise.all(clients.map((client) => client.line(/received CONNACK \(0\)/)))
    for (const client of clients) client.kill('SIGKILL')
    // Each of them ends in one of two ways, which are both there to be seen.
    await Promise.all(
      wills.map(async ({ topic, payload, isAllowed }) => {
        if (isAllowed) await observer.line(new RegExp(`^0 ${topic} ${payload}$`))
        else await place.server.logged((line) => line.msg === DENIED && line['topic'] === topic)
      }),
    )
    const expected = wills.flatMap((will) => (will.isAllowed ? `${will.topic} ${will.payload}` : []))
    expect([...(await publishedTopics(place, observer))].sort()).toEqual(expected.sort())
    const denied = place.server.log.filter(({ msg }) => msg === DENIED).map(({ topic }) => topic)
    const refused = wills.flatMap(({ isAllowed, topic }) => (isAllowed ? [] : topic))
    expect(denied.sort()).toEqual(refused.sort())
  })

  it('[MQTT-3.2.2-3] nobody is let in without a name where ALLOW_ANONYMOUS is false', async () => {
    const server = await startGuideServer(false)
    await expectNoLogin(server.port('mqtt'), [])
    await publish(server.port('mqtt'), ...guideLogins.aisa_server, '-t', 'a', '-m', 'b')
  })
})
