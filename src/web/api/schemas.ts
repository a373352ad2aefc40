/** A JSON schema (draft 2020-12, as OpenAPI 3.1 has it; ajv reads what is used of it here). */
export type Schema = Readonly<Record<string, unknown>>

const text = (description?: string): Schema =>
  description === undefined ? { type: 'string' } : { type: 'string', description }
const textOrNull: Schema = { type: ['string', 'null'] }
const instant = (description: string): Schema => ({ type: 'string', format: 'date-time', description })
const localTime = (description: string): Schema => ({
  type: ['string', 'null'],
  description: `${description}, in the zone of DB_TIME_ZONE: 2026-11-22 14:30:00`,
})

/** An object that has all of these properties. */
export function objectOf(properties: Readonly<Record<string, Schema>>, more: Schema = {}): Schema {
  return { type: 'object', required: Object.keys(properties), properties, ...more }
}

const count = (description: string): Schema => ({ type: 'integer', minimum: 0, description })

/** Where a page ends. */
export const next = (of: string): Schema => ({
  type: ['integer', 'null'],
  description: `the \`after\` of the next page of ${of}; null: this is the last`,
})

const deviceColumns = {
  id: { type: 'integer' },
  uuid: text(),
  device_id: text(),
  name: text(),
  device_status: text('as the device last reported it'),
  is_online: { type: 'boolean' },
  is_active: { type: 'boolean', description: 'whether it may log in' },
  last_seen: localTime('When it was last heard of'),
  last_heartbeat: localTime('Its last heartbeat'),
  ip_address: textOrNull,
  firmware_version: textOrNull,
}

/** Schemas that routes share, by the name that they have in the document. */
export const sharedSchemas: readonly Schema[] = [
  { $id: 'Error', ...objectOf({ error: text('what is wrong, for people') }) },
  { $id: 'DeviceSummary', ...objectOf(deviceColumns) },
  {
    $id: 'SensorReport',
    ...objectOf({
      sensor_name: text(),
      sensor_value: text('a number, `true` or `false`'),
      sensor_unit: text(),
      sensor_type: text(),
      timestamp: text('in the zone of DB_TIME_ZONE'),
    }),
  },
  {
    $id: 'Device',
    ...objectOf({
      ...deviceColumns,
      last_report_data: { description: 'any JSON; null: it has not reported, or the column holds none' },
      sensors: { type: 'array', items: { $ref: 'SensorReport#' }, description: 'its latest readings' },
    }),
  },
  {
    $id: 'HistoryPoint',
    ...objectOf({
      at: instant('where the bucket begins'),
      count: { type: 'integer', minimum: 1, description: 'readings in the bucket' },
      min: { type: 'number' },
      max: { type: 'number' },
      mean: { type: 'number' },
    }),
  },
  {
    $id: 'Client',
    ...objectOf({
      clientId: text(),
      user: { type: ['string', 'null'], description: 'null: it is anonymous' },
      address: text(),
      transport: { type: 'string', enum: ['tcp', 'tls', 'ws', 'wss'] },
      connectedSince: instant('when its connection sent its first bytes'),
      device: { type: ['string', 'null'], description: 'the `uuid` of the device that it logged in as' },
    }),
  },
]

const byReason: Schema = { type: 'object', additionalProperties: { type: 'integer' } }
const timeOrNull = (description: string): Schema => ({
  type: ['string', 'null'],
  format: 'date-time',
  description,
})

/** What `summarize` says. */
export const statisticsSchema: Schema = objectOf({
  uptimeSeconds: count('since the process began'),
  connections: count('open now'),
  connectionsTotal: count('since the start, as are all that follow without another word'),
  connectionsRefused: count('before they spoke MQTT'),
  loginsFailed: count('over MQTT and HTTP'),
  devicesConnected: count('on connections of their own, now'),
  wentOffline: { ...byReason, description: 'devices, by cause' },
  received: count('messages on device topics'),
  stored: count('of these, in the database'),
  spooled: count('of these, on disk while the database was away'),
  replayed: count('from the spool to the database'),
  replayRefused: count('that the database refused for their content'),
  spool: objectOf({
    messages: count('in it now'),
    bytes: count('in it now'),
    oldestAt: timeOrNull('when the oldest of it came'),
  }),
  waiting: count('messages that have not been stored yet, now'),
  databaseAwaySince: timeOrNull('null: it takes writes'),
  nothingAcknowledgedSince: timeOrNull('null: messages are acknowledged'),
  rejected: { ...byReason, description: 'messages that were not stored, by reason' },
  dropped: count('QoS 0 messages that found the queue full'),
  denied: count('publishes that no rule allows'),
  protocolErrors: { ...byReason, description: 'by clause of MQTT 3.1.1' },
  queueDropped: count('messages of QoS 1 and 2 that found the queue of their subscriber full'),
  slowDropped: count('messages of QoS 0 whose subscriber read too slowly'),
  cutOff: { ...byReason, description: 'connections that took nothing, by cause' },
  retainedRefused: count('retained messages delivered and not kept, for want of room'),
  successRate: text('stored and spooled of what was received: `99.98 %`'),
  lastMessageAt: timeOrNull('null: none came'),
  receivedPerSecond: { type: 'number', description: 'since the last summary in the log, at most 5 minutes' },
  storedPerSecond: { type: 'number', description: 'since then' },
  messagesPerBatch: { type: 'number' },
})

const FAULTS = {
  400: 'A parameter, which is named, is not as it has to be.',
  401: 'There is no login, or it is wrong.',
  403: 'No rule allows it.',
  404: 'There is no such device.',
  413: 'The command is too large.',
  415: 'The body is no JSON.',
  429: 'There were too many wrong logins.',
  503: 'The server is starting, the database is away, or too much is asked at once. Ask again later.',
} as const

/** A status that is no success. */
type Fault = keyof typeof FAULTS

/** What any route may answer to someone who is not let in, or while it cannot. */
const ALWAYS: readonly Fault[] = [401, 403, 429, 503]

/** The responses of a route: its success, and faults beside those that any route has. */
export function answers(
  status: 200 | 202,
  description: string,
  schema: Schema,
  faults: readonly Fault[] = [],
) {
  const fault = (code: Fault) => [code, response(FAULTS[code], { $ref: 'Error#' })] as const
  return Object.fromEntries([
    [status, response(description, schema)],
    ...[...ALWAYS, ...faults].sort((one, other) => one - other).map(fault),
  ])
}

function response(description: string, schema: Schema): Schema {
  return { description, content: { 'application/json': { schema } } }
}
