import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { freePort } from '../support/free-port.js'
import { type Installation, installMosquitto } from '../support/mosquitto-installation.js'
import { run } from '../support/run.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const MAIN = new URL('../../dist/main.js', import.meta.url).pathname
const guide = await readFile(new URL('../../docs/migrate-from-mosquitto.md', import.meta.url), 'utf8')

/** The commands of the guide: what is the reader's own, then each block under its heading. */
const [, ...sections] = `\n${guide}`.split(/^## /m)
const blocksOf = (text: string): string[] =>
  [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, code = '']) => code)
const [own = ''] = blocksOf(guide)
const [beside, retained, inPlace, back] = sections.map((text) => blocksOf(text).join('\n'))

/**
 * What systemctl does, without a systemd: the two services are the real programs. Waits until one serves, as
 * Type=notify does, or has ended.
 */
const systemctl = (folder: string, { folder: home, conf }: Installation): string => `#!/bin/bash
case "$1 $2" in
  'start mosquitto') (cd ${home} && exec mosquitto -c ${conf} > ${folder}/mosquitto.log 2>&1) &
    echo $! > ${folder}/mosquitto.pid
    until grep -q 'mosquitto version .* running' ${folder}/mosquitto.log; do kill -0 $! || exit 1; sleep 0.05; done ;;
  'start damselfly') (cd ${folder}/damselfly && exec env LOG_FORMAT=json HTTP_PORT=off ${process.execPath} ${MAIN} > ${folder}/damselfly.log 2>&1) &
    echo $! > ${folder}/damselfly.pid
    until grep -q '"msg":"ready"' ${folder}/damselfly.log; do kill -0 $! || { cat ${folder}/damselfly.log >&2; exit 1; }; sleep 0.05; done ;;
  'stop '*) pid=$(cat ${folder}/$2.pid)
    kill -TERM $pid
    while kill -0 $pid 2> /dev/null; do sleep 0.05; done ;;
  'enable '* | 'disable '*) ;;
  *) exit 1 ;;
esac
`

async function prepare() {
  const folder = await temporaryFolder()
  const installation = await installMosquitto()
  const bin = join(folder, 'bin')
  for (const name of ['bin', 'damselfly']) await mkdir(join(folder, name))
  const programs = {
    systemctl: systemctl(folder, installation),
    // There is no such user here.
    runuser: '#!/bin/sh\ntest "$1 $2 $3" = "-u damselfly --" && shift 3 && exec "$@"\n',
    damselfly: `#!/bin/sh\nexec ${process.execPath} ${MAIN} "$@"\n`,
  }
  for (const [name, text] of Object.entries(programs)) await writeFile(join(bin, name), text, { mode: 0o755 })
  onTestFinished(async () => {
    for (const name of ['mosquitto', 'damselfly']) {
      const pid = await readFile(join(folder, `${name}.pid`), 'utf8').catch(() => '')
      if (pid !== '') await run('kill', ['-KILL', pid.trim()])
    }
  })
  return { folder, bin, installation }
}

/** The first block as a reader would fill it in. */
function filledIn(values: Readonly<Record<string, string>>, folder: string): string {
  const lines = own.split('\n').map((line) => {
    const name = /^(\w+)=/.exec(line)?.[1]
    return name === undefined ? line.replace(/^cd .*/, `cd ${folder}`) : `${name}=${values[name]}`
  })
  return lines.join('\n')
}

/** Prints the retained messages that a broker has, sorted, after a line that says which. */
const list = (what: string, port: string, login: string): string =>
  `echo '== ${what}'; mosquitto_sub -p ${port} ${login} -t '#' -q 2 --retained-only -W 3 -F '%q %t %X' | sort || true`

it('The migration guide, followed word for word, moves users, rules and retained messages, and back', async () => {
  const { folder, bin, installation } = await prepare()
  const { conf, user } = installation
  const port = installation.ports.mqtt
  const newPort = `${await freePort()}`
  const words = `-u ${user.name} -P word`
  // A password without a space, as the guide has it; its hash is mosquitto_passwd's, and so is the next one's.
  await run('mosquitto_passwd', ['-b', join(installation.folder, 'passwd'), user.name, 'word'])
  const values = { MOSQUITTO: conf, OLD_PORT: `${port}`, OLD_LOGIN: `'${words}'`, NEW_PORT: newPort }
  const publish = `mosquitto_pub -p ${port} ${words} -r -q`
  const script = [
    'set -e',
    `PATH=${bin}:$PATH`,
    'systemctl start mosquitto',
    `${publish} 0 -t kept/zero -m 'two words, and	a tab'`,
    `${publish} 1 -t 'kept/one topic' -m '{"a":1}'`,
    `printf 'a\\nb\\0\\377' | ${publish} 2 -t kept/two -s`,
    filledIn(values, join(folder, 'damselfly')),
    beside,
    // A user of Mosquitto with the password that it has.
    `echo '== user'; mosquitto_pub -p ${newPort} ${words} -q 1 -t a -m b && echo taken`,
    `mosquitto_pub -p ${newPort} -u ${user.name} -P wrong -t a -m b 2> /dev/null || echo refused`,
    retained,
    list('copied', newPort, words),
    `${publish} 1 -t kept/later -m later`,
    inPlace,
    list('in place', `${port}`, words),
    `mosquitto_pub -p ${port} ${words} -r -q 1 -t kept/new -m new`,
    `echo '== readings'; mosquitto_pub -p ${port} ${words} -q 1 -t devices/one/data -m '{"light":1}'; damselfly device list`,
    `kill -0 $(cat ${folder}/mosquitto.pid) 2> /dev/null || echo 'no mosquitto'`,
    back,
    list('back', `${port}`, words),
  ].join('\n')
  const path = join(folder, 'script')
  await writeFile(path, script)
  const { code, stdout, stderr } = await run('bash', [path])
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) })
  const part = (name: string): string[] =>
    (stdout.split(`== ${name}\n`)[1] ?? '').split('\n== ')[0]?.trim().split('\n') ?? []
  const kept = (name: string): string[] => part(name).filter((line) => /^[0-2] kept\//.test(line))
  const hex = (text: string): string => Buffer.from(text).toString('hex').toUpperCase()
  const first = [
    `0 kept/zero ${hex('two words, and\ta tab')}`,
    `1 kept/one topic ${hex('{"a":1}')}`,
    '2 kept/two 610A6200FF',
  ]
  expect(part('user')).toEqual(expect.arrayContaining(['taken', 'refused']))
  expect(kept('copied')).toEqual(first)
  const second = [...first, `1 kept/later ${hex('later')}`].sort()
  expect(kept('in place')).toEqual(second)
  expect(part('readings').join('\n')).toMatch(/\bone\b[\s\S]*no mosquitto/)
  expect(kept('back')).toEqual([...second, `1 kept/new ${hex('new')}`].sort())
}, 180_000)

it('The migration guide has its commands in four steps', () => {
  expect(sections.map((text) => text.split('\n')[0])).toEqual([
    '1. Beside it',
    '2. Retained messages',
    '3. In its place',
    'The way back',
    'What is different',
  ])
  for (const commands of [beside, retained, inPlace, back]) expect(commands).not.toBe('')
})
