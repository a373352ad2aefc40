import type { LogLine, Server } from '../../test/support/server-process.js'

/** Who behaves. */
export const WITNESS = { username: 'witness', password: 'of what the others do' } as const

/** `acl.conf`: what whoever has no name may do; everything else is the witness's. */
export const RULES = 'topic readwrite fuzz/#\ntopic readwrite devices/#\ntopic readwrite device/#\n'

/** Nobody is kept out, or lost, for what others have done: all of them come from one address. */
export const TARGET_SETTINGS = {
  WS_PORT: '0',
  ALLOW_ANONYMOUS: 'true',
  SESSION_EXPIRY_S: '5',
  MAX_RETAINED_MESSAGES: '200',
  LOGIN_FAILURES: '1000000',
  LOGIN_REFUSE_AFTER: '1000000',
  MQTT_USERNAME: WITNESS.username,
  MQTT_PASSWORD: WITNESS.password,
} as const

/** Stops the server; what it says of itself that should not be. */
export async function stopTarget(server: Server): Promise<string[]> {
  server.kill('SIGTERM')
  const code = await server.ended
  const errors = server.log.filter(({ level }) => level === 'error' || level === 'fatal')
  const waiting = Number(lastSummary(server.log)?.['waiting'])
  return [
    ...(code === 0 ? [] : [`the server ended with ${code}: ${server.text()}`]),
    ...(waiting === 0 ? [] : [`${waiting} messages came to no end`]),
    ...errors.map((line) => JSON.stringify(line)),
  ]
}

/** What the server itself has counted, of all that came, in a line. */
export function describeCounts(server: Server): string {
  const summary = lastSummary(server.log) ?? {}
  const counts = (name: string): [string, number][] =>
    Object.entries(Object(Reflect.get(summary, name))).map(([reason, count]) => [reason, Number(count)])
  const errors = counts('protocolErrors').sort(([, one], [, other]) => other - one)
  const sum = (all: readonly [string, number][]): number => all.reduce((so, [, count]) => so + count, 0)
  const list = (all: readonly [string, number][]): string =>
    all.map(([reason, count]) => `${reason} ${count}`).join(', ')
  return [
    `${sum(errors)} protocol errors of ${errors.length} kinds (${list(errors.slice(0, 5))})`,
    `${sum(counts('rejected'))} reports rejected (${list(counts('rejected'))})`,
    ...['received', 'stored', 'denied', 'queueDropped', 'slowDropped', 'retainedRefused', 'loginsFailed'].map(
      (name) => `${name} ${Reflect.get(summary, name)}`,
    ),
    `cut off ${list(counts('cutOff')) || 'nobody'}`,
  ].join(', ')
}

function lastSummary(log: readonly LogLine[]): LogLine | undefined {
  return log.findLast(({ msg }) => msg === 'summary')
}
