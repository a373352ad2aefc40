import { expect, it } from 'vitest'
import { programPath } from '../support/packages.js'
import { run } from '../support/run.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'
import { connectTo } from '../support/server-clients.js'

async function scrape(server: Server): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${server.port('http')}/metrics`)
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
  return await response.text()
}

/** The lines of a family, without `damselfly_`. */
function family(text: string, name: string): string[] {
  const lines = text.split('\n').filter((line) => line.startsWith(`damselfly_${name}`))
  return lines.map((line) => line.slice('damselfly_'.length))
}

/** A server that has let in and refused, taken and given, stored and rejected. */
async function serverWithTraffic(): Promise<Server> {
  const server = await startServer({ HTTP_PORT: '0', WS_PORT: '0' })
  const subscriber = await connectTo(server, { clientId: 'subscriber', clean: false })
  await subscriber.subscribeAsync('devices/#', { qos: 1 })
  const publisher = await connectTo(server)
  for (const qos of [0, 1, 2] as const)
    await publisher.publishAsync('devices/one/data', '{"light":1}', { qos })
  await publisher.publishAsync('devices/one/data', 'no JSON', { qos: 1 })
  await publisher.publishAsync('kept', 'x', { qos: 1, retain: true })
  await subscriber.endAsync()
  await publisher.publishAsync('devices/one/data', '{"light":2}', { qos: 1 })
  await expect(connectTo(server, { ...ADMINISTRATOR, password: 'wrong' })).rejects.toMatchObject({ code: 5 })
  return server
}

it('what is counted is there by its name, and Prometheus finds nothing wrong with the names', async () => {
  const server = await serverWithTraffic()
  const text = await scrape(server)
  expect(await run(programPath('promtool'), ['check', 'metrics'], text)).toEqual({
    code: 0,
    stdout: '',
    stderr: '',
  })
  expect(family(text, 'publishes_received_total')).toEqual([
    'publishes_received_total{qos="0"} 1',
    'publishes_received_total{qos="1"} 4',
    'publishes_received_total{qos="2"} 1',
  ])
  expect(family(text, 'ingest_messages_total')).toEqual([
    'ingest_messages_total{outcome="stored"} 4',
    'ingest_messages_total{outcome="spooled"} 0',
    'ingest_messages_total{outcome="dropped"} 0',
    'ingest_messages_total{outcome="rejected"} 1',
  ])
  expect(family(text, 'acknowledgement_seconds_count')).toEqual(['acknowledgement_seconds_count 5'])
  expect(family(text, 'ingest_batch_messages_sum')).toEqual(['ingest_batch_messages_sum 4'])
  expect(family(text, 'logins_refused_total')).toEqual([
    'logins_refused_total{reason="wrong user name or password"} 1',
  ])
  expect(family(text, 'clients')).toEqual(['clients 1'])
  expect(family(text, 'sessions_away')).toEqual(['sessions_away 1'])
  // The server's own status is one of them.
  expect(family(text, 'retained_messages')).toEqual(['retained_messages 2'])
  expect(family(text, 'queued_messages')).toEqual(['queued_messages 1'])
  expect(family(text, 'up')).toEqual([
    'up{part="listeners"} 1',
    'up{part="store"} 1',
    'up{part="sessions"} 1',
  ])
  expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds /m)
  expect(text).toMatch(/^process_resident_memory_bytes /m)
})
