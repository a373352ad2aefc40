import { mkdir, open, rm, symlink, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { IPublishPacket, ISubackPacket, Packet } from 'mqtt-packet'
import { describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.js'
import { connectRaw, type RawClient } from '../support/raw-client.js'
import { startRedis } from '../support/redis.js'
import {
  ADMINISTRATOR_LINE,
  logIn,
  readAfter,
  startWithRules,
  userLine,
  writeRules,
} from '../support/rules.js'
import { run } from '../support/run.js'
import { ADMINISTRATOR, type LogLine, type Server, spawnServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const ACCEPTED = 0
const NOT_AUTHORIZED = 5
const REFUSED = 0x80

const isPublish = (packet: Packet): packet is IPublishPacket => packet.cmd === 'publish'

function publish(topic: string, messageId?: number, payload = 'x'): Packet {
  const more = messageId === undefined ? { qos: 0 as const } : { qos: 1 as const, messageId }
  return { cmd: 'publish', topic, payload, retain: false, dup: false, ...more }
}

async function granted(client: RawClient, messageId: number, ...filters: string[]) {
  client.send({ cmd: 'subscribe', messageId, subscriptions: filters.map((topic) => ({ topic, qos: 1 })) })
  const isAnswer = (packet: Packet): packet is ISubackPacket =>
    packet.cmd === 'suback' && packet.messageId === messageId
  return (await client.next(isAnswer)).granted
}

/** The topics of what a client has been sent up to and with `last`. */
async function topicsUntil(client: RawClient, last: string): Promise<readonly string[]> {
  await client.next((packet): packet is IPublishPacket => isPublish(packet) && packet.topic === last)
  return client.received.filter(isPublish).map(({ topic }) => topic)
}

async function codeOf(server: Server, user: string, password?: string): Promise<number | undefined> {
  const { connack, socket } = await logIn(server, user, { clientId: `${user} tries` }, password)
  socket.destroy()
  return connack.returnCode
}

const connectAdministrator = (server: Server): Promise<RawClient> =>
  connectRaw(server.port('mqtt'), { ...ADMINISTRATOR, password: Buffer.from(ADMINISTRATOR.password) })

/** Answers while the connection is there; a closed one makes it reject. */
async function isConnected(client: RawClient): Promise<boolean> {
  const before = client.received.filter(({ cmd }) => cmd === 'pingresp').length
  client.send({ cmd: 'pingreq' })
  await client.count('pingresp', before + 1)
  return true
}

const faultsOf = (log: readonly LogLine[]): readonly unknown[] =>
  log
    .filter(({ msg }) => msg === 'a connection ended with a fault')
    .map(({ client, fault }) => [client, fault])

const refusals = (log: readonly LogLine[]): readonly string[] =>
  log.filter(({ level }) => level === 'error').map(({ msg }) => msg)

const users = (...names: string[]): string => names.map((name) => userLine(name)).join('')

const EVERYTHING = 'pattern readwrite #\n'

/** By the change of the file alone, and by a SIGHUP beside it. */
const occasions = [
  ['a changed file', (server: Server, change: () => Promise<unknown>) => readAfter(server, change)],
  [
    'SIGHUP',
    (server: Server, change: () => Promise<unknown>) =>
      readAfter(
        server,
        async () => {
          await change()
          server.kill('SIGHUP')
        },
        2, // the change of the file brings the other one
      ),
  ],
] as const

describe.each(occasions)('After %s', (_occasion, take) => {
  it('users of passwd come, go and change their passwords, and everyone else stays connected', async () => {
    const acl = EVERYTHING
    const { server, paths } = await startWithRules({ passwd: ADMINISTRATOR_LINE + users('a', 'b', 'c'), acl })
    const [a, b, c] = [await logIn(server, 'a'), await logIn(server, 'b'), await logIn(server, 'c')]
    const mosquittoPasswd = (...args: string[]) => run('mosquitto_passwd', args)

    await take(server, () => mosquittoPasswd('-b', paths.passwd, 'new', 'secret'))
    expect(await codeOf(server, 'new', 'secret')).toBe(ACCEPTED)
    expect(await codeOf(server, 'new', 'wrong')).toBe(NOT_AUTHORIZED)

    const deletion = await take(server, () => mosquittoPasswd('-D', paths.passwd, 'a'))
    await a.closed
    expect(faultsOf(deletion)).toEqual([['a', 'its login has ended']])
    expect(await codeOf(server, 'a')).toBe(NOT_AUTHORIZED)

    await take(server, () => mosquittoPasswd('-b', paths.passwd, 'b', 'changed'))
    await b.closed
    expect(await codeOf(server, 'b')).toBe(NOT_AUTHORIZED)
    expect(await codeOf(server, 'b', 'changed')).toBe(ACCEPTED)

    expect(await isConnected(c)).toBe(true)
    expect(refusals(server.log)).toEqual([])
  })

  it('rules of acl.conf that were added and taken away are in force for those who are connected', async () => {
    const passwd = ADMINISTRATOR_LINE + users('a')
    const { server, paths } = await startWithRules({
      passwd,
      acl: 'user a\ntopic write old\ntopic read b/#\n',
    })
    const [a, administrator] = [await logIn(server, 'a'), await connectAdministrator(server)]
    await granted(administrator, 1, 'old', 'new', 'end')
    expect(await granted(a, 1, '#', 'c')).toEqual([1, REFUSED])
    await take(server, () => writeFile(paths.acl, 'user a\ntopic write new\ntopic write end\ntopic read c\n'))
    a.send(publish('old', 1), publish('new', 2), publish('end', 3))
    await a.count('puback', 3)
    expect(await topicsUntil(administrator, 'end')).toEqual(['new', 'end'])
    administrator.send(publish('b/1', 1), publish('c', 2))
    expect(await topicsUntil(a, 'c')).toEqual(['c'])
    expect(await granted(a, 2, 'c', 'b/1')).toEqual([1, REFUSED])
    expect(faultsOf(server.log)).toEqual([])
  })
})

it('SIGHUP has the files read that have not changed, and nobody notices', async () => {
  const { server } = await startWithRules({ passwd: ADMINISTRATOR_LINE + users('a'), acl: EVERYTHING })
  const a = await logIn(server, 'a')
  const log = await readAfter(server, async () => server.kill('SIGHUP'))
  expect(log).toMatchObject([{ level: 'info' }])
  expect(await isConnected(a)).toBe(true)
})

describe('A client whose rights have changed', () => {
  const kept = 'user a\ntopic read kept\n'
  const both = `${kept}topic read lost/#\n`

  it.each([true, false])(
    '[MQTT-3.9.3-3] loses its connection with a subscription, and is answered 0x80 when it subscribes again: clean session %s',
    async (clean) => {
      const passwd = ADMINISTRATOR_LINE + users('a', 'b')
      const { server, paths } = await startWithRules({ passwd, acl: `${both}user b\ntopic read lost/#\n` })
      const [a, b] = [await logIn(server, 'a', { clean }), await logIn(server, 'b')]
      expect(await granted(a, 1, 'kept', 'lost/1')).toEqual([1, 1])
      expect(await granted(b, 1, 'lost/1')).toEqual([1])
      const log = await readAfter(server, () => writeFile(paths.acl, `${kept}user b\ntopic read lost/#\n`))
      await a.closed
      expect(faultsOf(log)).toEqual([['a', 'it lost a subscription']])
      expect(await isConnected(b)).toBe(true)

      const again = await logIn(server, 'a', { clean })
      expect(again.connack).toMatchObject({ returnCode: ACCEPTED, sessionPresent: !clean })
      expect(await granted(again, 1, 'lost/1')).toEqual([REFUSED])
      expect(await granted(again, 2, 'lost/1', 'kept', 'lost/#')).toEqual([REFUSED, 1, REFUSED])
      expect(await isConnected(again)).toBe(true)
    },
  )

  it.each([
    ['when it is connected at the change', true],
    ['when it is away at the change', false],
  ])('gets nothing of what it may no longer have from a persistent session, %s', async (_when, isThere) => {
    const { server, paths } = await startWithRules({ passwd: ADMINISTRATOR_LINE + users('a'), acl: both })
    const administrator = await connectAdministrator(server)
    const a = await logIn(server, 'a', { clean: false })
    await granted(a, 1, 'kept', 'lost/1')
    if (!isThere) a.socket.end()
    await readAfter(server, () => writeFile(paths.acl, kept))
    await a.closed
    administrator.send(publish('lost/1', 1), publish('kept', 2))
    await administrator.count('puback', 2)
    const again = await logIn(server, 'a', { clean: false })
    expect(again.connack.sessionPresent).toBe(true)
    expect(await topicsUntil(again, 'kept')).toEqual(['kept'])
  })

  it.each([
    ['that it lost', false],
    ['that it lost and was refused beside another', true],
  ])('has nothing queued of a subscription %s', async (_what, subscribesAgain) => {
    const { server, paths } = await startWithRules({ passwd: ADMINISTRATOR_LINE + users('a'), acl: both })
    const administrator = await connectAdministrator(server)
    const a = await logIn(server, 'a', { clean: false })
    await granted(a, 1, 'kept', 'lost/1')
    await readAfter(server, () => writeFile(paths.acl, kept))
    await a.closed
    if (subscribesAgain) {
      const again = await logIn(server, 'a', { clean: false })
      expect(await granted(again, 1, 'kept', 'lost/1')).toEqual([1, REFUSED])
      expect(await isConnected(again)).toBe(true)
      again.socket.end()
      await again.closed
    }
    administrator.send(publish('lost/1', 1), publish('kept', 2))
    await administrator.count('puback', 2)
    // What is in the queue would come now that it may be received again.
    await readAfter(server, () => writeFile(paths.acl, both))
    const back = await logIn(server, 'a', { clean: false })
    expect(await topicsUntil(back, 'kept')).toEqual(['kept'])
  })

  it('loses its connection with the last of its rights, and whoever keeps one stays', async () => {
    const acl = 'user a\ntopic write x\nuser b\ntopic write x\ntopic read y\n'
    const { server, paths } = await startWithRules({ passwd: ADMINISTRATOR_LINE + users('a', 'b'), acl })
    const [a, b] = [await logIn(server, 'a'), await logIn(server, 'b')]
    await readAfter(server, () => writeFile(paths.acl, 'user b\ntopic read y\n'))
    await a.closed
    expect(await isConnected(b)).toBe(true)
    expect(faultsOf(server.log)).toEqual([['a', 'it may do nothing any more']])
    const again = await logIn(server, 'a')
    expect(again.connack.returnCode).toBe(ACCEPTED)
    expect(await granted(again, 1, '#')).toEqual([REFUSED])
    await readAfter(server, () => writeFile(paths.acl, acl))
    expect(await isConnected(again)).toBe(true)
  })

  it('leaves no will when its login has ended; with its connection alone gone it does', async () => {
    const { server, paths } = await startWithRules({
      passwd: ADMINISTRATOR_LINE + users('a', 'b'),
      acl: EVERYTHING,
    })
    const administrator = await connectAdministrator(server)
    await granted(administrator, 1, 'wills/+')
    const will = (topic: string) => ({
      will: { topic, payload: Buffer.from('x'), qos: 1, retain: false } as const,
    })
    const a = await logIn(server, 'a', will('wills/a'))
    const b = await logIn(server, 'b', will('wills/b'))
    await readAfter(server, () => writeFile(paths.passwd, ADMINISTRATOR_LINE + users('b')))
    await a.closed
    await server.logged(({ msg, topic }) => msg === 'a publish was denied' && topic === 'wills/a')
    await b.closed // its line has another salt, so its login has ended as well
    await server.logged(({ msg, topic }) => msg === 'a publish was denied' && topic === 'wills/b')
    const again = await logIn(server, 'b', will('wills/b'))
    again.socket.resetAndDestroy()
    expect(await topicsUntil(administrator, 'wills/b')).toEqual(['wills/b'])
  })
})

/** The files before a change, and after it when both are whole. */
const before = {
  passwd: ADMINISTRATOR_LINE + users('a', 'b'),
  acl: 'user a\ntopic write x\ntopic read old\n',
}
const next = {
  passwd: [ADMINISTRATOR_LINE, before.passwd.split('\n')[1], '\n', userLine('new')].join(''),
  acl: 'user a\ntopic write x\ntopic read new\n',
}

/** Which of the two versions of each file is in force for those who log in now. */
async function inForce(server: Server) {
  const a = await logIn(server, 'a', { clientId: 'a asks' })
  const [isOld, isNew] = [await codeOf(server, 'b'), await codeOf(server, 'new')]
  const answers = await granted(a, 1, 'old', 'new')
  a.socket.destroy()
  return {
    passwd: { b: isOld === ACCEPTED, new: isNew === ACCEPTED },
    acl: { old: answers[0] === 1, new: answers[1] === 1 },
  }
}

const oldRules = { passwd: { b: true, new: false }, acl: { old: true, new: false } }
const newRules = { passwd: { b: false, new: true }, acl: { old: false, new: true } }

/** As the log names them. */
const shown = { passwd: 'config/passwd', acl: 'config/acl.conf' }

describe('A broken file', () => {
  const withFolder = async (path: string): Promise<void> => {
    await rm(path)
    await mkdir(path)
  }
  const withLoop = async (path: string): Promise<void> => {
    await rm(path)
    await symlink(path, path)
  }
  const damaged = userLine('c').replace('==', '')

  type Break = readonly [what: string, how: string | ((path: string) => Promise<void>), reason: string]
  const without: readonly Break[] = [
    ['is a folder', withFolder, ' cannot be read (EISDIR)'],
    ['cannot be read', withLoop, ' cannot be read (ELOOP)'],
    ['is gone', (path) => rm(path), ' is gone'],
  ]
  const breaks: Readonly<Record<'passwd' | 'acl', readonly Break[]>> = {
    passwd: [
      ['a damaged hash', next.passwd + damaged, ' line 4: the password of "c" is a damaged $7$ hash'],
      ['clear text', `c:secret\n${next.passwd}`, ' line 1: the password of "c" is not hashed'],
      ['a user twice', next.passwd + userLine('a'), ' line 4: "a" is there twice'],
      ...without,
    ],
    acl: [
      ['no rule', `${next.acl}nonsense\n`, ' line 4: it starts with "nonsense"'],
      ['a rule without a topic', `user b\ntopic\n${next.acl}`, ' line 2: it has no topic'],
      ['a topic that is no filter', `${next.acl}topic a/#/b\n`, ' line 4: "a/#/b" is no topic filter'],
      ...without,
    ],
  }

  it.each(['passwd', 'acl'] as const)(
    'leaves the old %s in force, is named in the log, and is taken over once it is whole',
    async (name) => {
      const other = name === 'passwd' ? 'acl' : 'passwd'
      const { server, paths } = await startWithRules(before)
      const a = await logIn(server, 'a')
      for (const [what, how, reason] of breaks[name]) {
        const b = await logIn(server, 'b')
        const log = await readAfter(server, async () => {
          await (typeof how === 'string' ? writeFile(paths[name], how) : how(paths[name]))
          await writeFile(paths[other], next[other])
        })
        expect(refusals(log), what).toEqual([expect.stringContaining(`${shown[name]}${reason}`)])
        expect(await inForce(server), what).toEqual({ [name]: oldRules[name], [other]: newRules[other] })
        expect(await isConnected(a)).toBe(true)
        if (name === 'passwd') expect(await isConnected(b)).toBe(true)

        const repaired = await readAfter(server, async () => {
          await rm(paths[name], { recursive: true, force: true })
          await writeFile(paths[name], next[name])
        })
        expect(refusals(repaired), what).toEqual([])
        expect(await inForce(server), what).toEqual(newRules)
        expect(await isConnected(a)).toBe(true)
        await b.closed
        await readAfter(server, async () => {
          for (const file of ['passwd', 'acl'] as const) await writeFile(paths[file], before[file])
        })
      }
      expect(JSON.stringify(server.log)).not.toMatch(/\$7\$1\$|secret/)
    },
    60_000,
  )

  it('beside another leaves both in force, and each is named', async () => {
    const { server, paths } = await startWithRules(before)
    const log = await readAfter(server, async () => {
      await writeFile(paths.passwd, `c:secret\n${next.passwd}`)
      await writeFile(paths.acl, `nonsense\n${next.acl}`)
    })
    expect(refusals(log)).toEqual([
      expect.stringContaining('passwd line 1'),
      expect.stringContaining('acl.conf line 1'),
    ])
    expect(await inForce(server)).toEqual(oldRules)
  })
})

describe('An empty file', () => {
  it('passwd ends every login, and nobody gets in until it has users again', async () => {
    const { server, paths } = await startWithRules({ ...before, passwd: users('a', 'b') })
    const clients = [await logIn(server, 'a'), await logIn(server, 'b'), await connectAdministrator(server)]
    const log = await readAfter(server, () => writeFile(paths.passwd, ''))
    for (const { closed } of clients) await closed
    expect(refusals(log)).toEqual([])
    for (const user of ['a', 'b', 'nobody']) expect(await codeOf(server, user)).toBe(NOT_AUTHORIZED)
    expect(await codeOf(server, ADMINISTRATOR.username, ADMINISTRATOR.password)).toBe(NOT_AUTHORIZED)
    await readAfter(server, () => writeFile(paths.passwd, users('a')))
    expect(await codeOf(server, 'a')).toBe(ACCEPTED)
    expect(await codeOf(server, 'b')).toBe(NOT_AUTHORIZED)
  })

  it('acl.conf ends every right but those of the administrator', async () => {
    const { server, paths } = await startWithRules(before)
    const [a, administrator] = [await logIn(server, 'a'), await connectAdministrator(server)]
    await readAfter(server, () => writeFile(paths.acl, ''))
    await a.closed
    expect(await isConnected(administrator)).toBe(true)
    expect(await granted(await logIn(server, 'a'), 1, '#')).toEqual([REFUSED])
  })
})

describe('A passwd that is written in pieces', () => {
  const passwd = ADMINISTRATOR_LINE + users('a', 'b')

  it('throws nobody out when its pieces come shortly one after the other', async () => {
    const { server, paths } = await startWithRules({ passwd, acl: EVERYTHING })
    const clients = [await logIn(server, 'a'), await logIn(server, 'b')]
    const longer = passwd + users('new')
    const log = await readAfter(server, async () => {
      const file = await open(paths.passwd, 'w')
      // In the middle of lines, and over a longer time than the watch takes to look twice.
      for (let from = 0; from < longer.length; from += 40) {
        await file.write(longer.slice(from, from + 40))
        await delay(50)
      }
      await file.close()
    })
    expect(log).toMatchObject([{ level: 'info' }])
    expect(await codeOf(server, 'new')).toBe(ACCEPTED)
    for (const client of clients) expect(await isConnected(client)).toBe(true)
  })

  it('throws nobody out when it rests in the middle of a hash', async () => {
    const { server, paths } = await startWithRules({ passwd, acl: EVERYTHING })
    const clients = [await logIn(server, 'a'), await logIn(server, 'b')]
    const longer = passwd + users('new')
    const file = await open(paths.passwd, 'w')
    const cut = passwd.indexOf('\nb:') - 20
    const log = await readAfter(server, () => file.write(longer.slice(0, cut)))
    expect(refusals(log)).toEqual([expect.stringContaining('passwd line 2')])
    await readAfter(server, async () => {
      await file.write(longer.slice(cut))
      await file.close()
    })
    expect(await codeOf(server, 'new')).toBe(ACCEPTED)
    for (const client of clients) expect(await isConnected(client)).toBe(true)
  })
})

it('SIGHUP while the server still starts does not end it, and what the files say by then is in force', async () => {
  const port = await freePort()
  const folder = await temporaryFolder()
  const paths = await writeRules(folder, before)
  const server = await spawnServer({ REDIS_URL: `redis://127.0.0.1:${port}` }, folder)
  await server.logged(({ msg }) => msg.startsWith('Redis cannot be reached'))
  await writeFile(paths.passwd, next.passwd)
  await writeFile(paths.acl, next.acl)
  server.kill('SIGHUP')
  await startRedis({ port })
  await server.logged(({ msg }) => msg === 'ready')
  expect(await inForce(server)).toEqual(newRules)
})

it('whoever has lost a right goes at once while Redis is away', async () => {
  const redis = await startRedis()
  const { server, paths } = await startWithRules(
    { passwd: ADMINISTRATOR_LINE + users('a', 'b', 'c'), acl: 'pattern read lost\npattern read kept\n' },
    { REDIS_URL: redis.url },
  )
  const clients = [await logIn(server, 'a', { clean: false }), await logIn(server, 'b', { clean: false })]
  for (const client of clients) expect(await granted(client, 1, 'lost', 'kept')).toEqual([1, 1])
  const c = await logIn(server, 'c')
  await redis.kill()
  await readAfter(server, () => writeFile(paths.acl, 'pattern read kept\n'))
  for (const { closed } of clients) await closed
  await readAfter(server, () => writeFile(paths.passwd, ADMINISTRATOR_LINE))
  await c.closed
})
