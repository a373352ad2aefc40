import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { freePort } from '../support/free-port.js'
import { programPath } from '../support/packages.js'
import { startProgram } from '../support/program.js'
import { run } from '../support/run.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'
import { connectTo } from '../support/server-clients.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const folder = new URL('../../deploy/', import.meta.url).pathname
const rules = join(folder, 'prometheus', 'damselfly.rules.yml')

it('Prometheus takes the configuration and the rules, which are raised and end as their tests say', async () => {
  const promtool = programPath('promtool')
  const configuration = join(folder, 'prometheus', 'prometheus.yml')
  expect(await run(promtool, ['check', 'config', configuration])).toMatchObject({ code: 0 })
  expect(await run(promtool, ['check', 'rules', '--lint-fatal', rules])).toMatchObject({ code: 0 })
  const tests = join(folder, 'prometheus', 'damselfly.test.yml')
  expect(await run(promtool, ['test', 'rules', tests])).toMatchObject({ code: 0 })
})

it('every query of the dashboard finds something, and no rule is broken', async () => {
  const server = await startServer({ HTTP_PORT: '0', WS_PORT: '0', MAX_QUEUED_MESSAGES: '1' })
  const ask = await startPrometheus(server)
  const queries = await readQueries()
  expect(queries.length).toBeGreaterThan(30)
  let isAsking = true
  const causing = (async () => {
    while (isAsking) await causeAll(server) // a rate needs what is counted to grow between two scrapes
  })()
  for (const query of queries) {
    await expect.poll(() => ask(query), { timeout: 20_000, message: query }).not.toEqual([])
  }
  isAsking = false
  await causing
  expect(await ask('ALERTS{alertstate="firing", alertname!~".*Dropped|.*Rejected"}')).toEqual([])
})

/** The queries, with what Grafana would put into them. */
async function readQueries(): Promise<string[]> {
  const dashboard = await readFile(join(folder, 'grafana', 'damselfly.json'), 'utf8')
  const found = [...dashboard.matchAll(/"expr": ("(?:[^"\\]|\\.)*")/g)].map(([, text = '""']) =>
    String(JSON.parse(text)),
  )
  return found.map((query) => query.replaceAll('$instance', '.*').replaceAll('$__rate_interval', '30s'))
}

/** One of everything that is counted. */
async function causeAll(server: Server): Promise<void> {
  const away = await connectTo(server, { clientId: 'away', clean: false })
  await away.subscribeAsync('devices/#', { qos: 1 })
  await away.endAsync()
  const client = await connectTo(server)
  await client.publishAsync('kept', 'x', { qos: 1, retain: true })
  for (const light of [1, 2]) await client.publishAsync('devices/one/data', `{"light":${light}}`, { qos: 1 })
  await client.publishAsync('devices/one/data', 'no JSON', { qos: 0 })
  await client.publishAsync('$SYS/mine', 'x', { qos: 2 })
  await client.endAsync()
  await connectTo(server, { ...ADMINISTRATOR, password: 'wrong' }).catch(() => undefined)
  const fault = connect(server.port('mqtt'), '127.0.0.1').on('error', () => undefined)
  fault.end(Buffer.of(0xf0, 0))
  await once(fault, 'close')
  const other = new WebSocket(`ws://127.0.0.1:${server.port('ws')}`, 'other').on('error', () => undefined)
  await new Promise((resolve) => other.once('close', resolve)) // after an 'error' with the status
}

/** Starts a Prometheus that scrapes `server` every second; returns how to ask it. */
async function startPrometheus(server: Server): Promise<(query: string) => Promise<unknown>> {
  const data = await temporaryFolder()
  const port = await freePort()
  const configuration = await readFile(join(folder, 'prometheus', 'prometheus.yml'), 'utf8')
  const path = join(data, 'prometheus.yml')
  await writeFile(
    path,
    configuration
      .replaceAll('15s', '1s')
      .replace('127.0.0.1:8080', `127.0.0.1:${server.port('http')}`)
      .replace('damselfly.rules.yml', rules),
  )
  const prometheus = startProgram(programPath('prometheus'), [
    ...[`--config.file=${path}`, `--storage.tsdb.path=${join(data, 'data')}`],
    `--web.listen-address=127.0.0.1:${port}`,
  ])
  await prometheus.line(/ready to receive web requests/)
  return async (query) => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`)
    const answer: unknown = await response.json()
    expect(answer, query).toMatchObject({ status: 'success', data: { result: expect.any(Array) } })
    return typeof answer === 'object' && answer !== null && 'data' in answer
      ? Reflect.get(Object(answer.data), 'result')
      : undefined
  }
}
