/** The alerts that there are. */
export type AlertName =
  | 'failed_connections'
  | 'message_rate'
  | 'cpu'
  | 'memory'
  | 'event_loop_delay'
  | 'client_flapping'
  | 'client_takeovers'
  | 'address_client_ids'
  | 'device_rejected_messages'
  | 'device_silent'

/** Whom an alert is about; under the names that its JSON has. */
export type Subject =
  | { readonly kind: 'server' }
  | {
      readonly kind: 'client'
      readonly client: string
      readonly user?: string
      readonly address: string
      readonly device_id?: string
    }
  | { readonly kind: 'address'; readonly address: string }
  /** `device_id`: of a device that the database knows; else the `name` that a topic has for it. */
  | { readonly kind: 'device'; readonly device_id: string }
  | { readonly kind: 'device'; readonly name: string }

/** An alert that was raised, or has ended: what is published and posted as JSON. */
export interface Alert {
  readonly alert: AlertName
  readonly state: 'raised' | 'ended'
  readonly severity: 'warning' | 'critical'
  readonly subject: Subject
  /** What was measured last, and what it is compared with, in the unit of the alert's setting. */
  readonly value: number
  readonly threshold: number
  /** When it was raised, and when it ended, ISO 8601. */
  readonly since: string
  readonly until?: string
  /** What the server that tells it calls itself. */
  readonly server: string
  /** For people. */
  readonly message: string
}

/** An alert in force. */
export interface Standing {
  /** Of its subject, among those of its rule. */
  readonly key: string
  readonly alert: Alert
}

/** What a rule looks at, as it is now. */
export interface Measured {
  /** Distinct among the subjects of a rule. */
  readonly key: string
  readonly subject: Subject
  readonly value: number
}

/** When an alert is raised, and when it ends. */
export interface Rule {
  readonly name: AlertName
  readonly severity: Alert['severity']
  /** Raised above it. */
  readonly threshold: number
  /** Ended when it is no more than that: less than the threshold, so that it does not come and go. */
  readonly endsAt: number
  /** For how many evaluations in a row it must be above, or below. */
  readonly holds: number
  /** Everyone whose value is not 0. */
  measure(nowMs: number): Iterable<Measured>
  /** What is wrong, for people: `client X connects again and again`. */
  what(subject: Subject): string
  /** What the value counts: `connections in 60 s`. */
  readonly unit: string
}
