/** The names of what is in Redis. Those without `damselfly:` are aedes-persistence-redis's. */
export const keys = {
  /** A set of all clients with subscriptions. */
  clients: 'clients',
  /** A hash: filter to subscription. */
  subscriptions: (clientId: string): string => `client:${encodeURIComponent(clientId)}`,
  /** A hash: the QoS 2 messages received and not released. */
  incoming: (clientId: string): string => `incoming:${encodeURIComponent(clientId)}`,
  /** There while the client is connected to any instance, and at the most a minute longer. */
  clientId: (clientId: string): string => `damselfly:client-id:${clientId}`,
  /** A sorted set: client id to when its client was last seen connected, epoch ms. */
  sessions: 'damselfly:sessions',
  /** A hash: a message that waits in queues. */
  message: (number: string): string => `damselfly:message:${number}`,
  /** A list of what waits for a client, oldest first: the QoS, one digit, and the number of the message. */
  queue: (clientId: string): string => `damselfly:queue:${clientId}`,
  /** A hash: of what stands in that list, to the packet identifier with which it was sent. */
  sent: (clientId: string): string => `damselfly:sent:${clientId}`,
  /** A hash: topic to QoS and payload. */
  retained: 'damselfly:retained',
  /** What topics and values of that hash take together, in bytes. */
  retainedBytes: 'damselfly:retained-bytes',
  /** A set of the instances that have wills. */
  instances: 'damselfly:instances',
  /** There while the instance runs. */
  alive: (instance: string): string => `damselfly:alive:${instance}`,
  /** A hash: the wills of the clients that are connected to an instance. */
  wills: (instance: string): string => `damselfly:wills:${instance}`,
} as const
